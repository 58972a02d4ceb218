"""Faults of clocks: a host ahead or behind, and a clock that was wrong for a while."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Final

from tests.faults.torture.faults.kind import FaultKind
from tests.faults.torture.stack import host_clock
from tests.faults.torture.stack.torture_stack import TortureStack

OFFSETS: Final = (15.0, -15.0, 120.0, -120.0, 3600.0, -3600.0)
"""Seconds ahead of the right time."""


@contextmanager
def _shifted(host: str, stack: TortureStack, random: Random) -> Iterator[str]:
    clock = stack.clock if host == "stack" else stack.far_clock
    assert clock
    offset = random.choice(OFFSETS)
    clock.set(offset)
    try:
        yield f"clock of the {host} host {offset:+.0f} s"
    finally:
        clock.set(0.0)


def _problem(stack: TortureStack) -> str | None:
    return None if stack.clock else host_clock.problem() or "the stack has no changeable clocks"


KINDS: Final = tuple(
    FaultKind(
        f"clock of the {host} host",
        "clocks",
        partial(_shifted, host),
        seconds=(5.0, 20.0),
        problem=_problem,
    )
    for host in ("stack", "far")
)
