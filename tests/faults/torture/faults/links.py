"""Faults of links between each role and each server: frozen, slow, cut, half open, reset."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Final

from tests.faults.torture.faults.kind import FaultKind
from tests.faults.torture.stack.torture_stack import TortureStack

PAIRS: Final = (
    ("api", "valkey"),
    ("api", "postgres"),
    ("workers", "valkey"),
    ("workers", "postgres"),
    ("beat", "valkey"),
    (None, "valkey"),
    (None, "postgres"),
)
"""Client and server of each link; None for all clients."""

FAULTS: Final = ("freeze", "delay", "cut", "half_open", "reset")
DELAYS: Final = (0.02, 0.3)


@contextmanager
def _faulty(
    client: str | None, server: str, fault: str, stack: TortureStack, random: Random
) -> Iterator[str]:
    link = stack.links[server]
    text = f"{fault} of the link {client or 'all'}-{server}"
    if fault == "delay":
        seconds = random.uniform(*DELAYS)
        text += f" by {seconds:.2f} s"
        link.delay(seconds, client)
    else:
        getattr(link, fault)(client)
    try:
        yield text
    finally:
        link.restore()


KINDS: Final = tuple(
    FaultKind(
        f"{fault} {client or 'all'}-{server}",
        "links",
        partial(_faulty, client, server, fault),
        seconds=(0.0, 0.5) if fault == "reset" else (3.0, 12.0),
    )
    for client, server in PAIRS
    for fault in FAULTS
)
