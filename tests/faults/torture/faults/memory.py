"""Faults of memory: Valkey at its limit, and a limit on the address space of a worker."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Final

import psutil

from tests.faults.torture.faults.kind import FaultKind
from tests.faults.torture.stack.torture_stack import TortureStack

HEADROOM: Final = 1 << 20


@contextmanager
def _valkey_at_limit(stack: TortureStack, _random: Random) -> Iterator[str]:
    with stack.valkey() as client:
        client.config_set("maxmemory", 1 << 20)
        try:
            yield "Valkey is at maxmemory"
        finally:
            client.config_set("maxmemory", 0)


@contextmanager
def _worker_at_limit(stack: TortureStack, random: Random) -> Iterator[str]:
    """Let a worker allocate no more than a mebibyte of address space."""
    names = sorted(name for name in stack.pids() if name.startswith("worker-"))
    name = random.choice(names)
    process = psutil.Process(stack.pids()[name])
    family = [process, *process.children(recursive=True)]
    for each in family:
        with suppress(psutil.NoSuchProcess):
            _limit(each.pid, each.memory_info().vms + HEADROOM)
    try:
        yield f"{name} is at RLIMIT_AS"
    finally:
        for each in family:
            with suppress(ProcessLookupError):
                _limit(each.pid, resource.RLIM_INFINITY)


def _limit(pid: int, size: int) -> None:
    # Only the soft limit: a hard limit can't be raised again by everyone.
    hard = resource.prlimit(pid, resource.RLIMIT_AS)[1]
    resource.prlimit(pid, resource.RLIMIT_AS, (size, hard))


KINDS: Final = (
    FaultKind("Valkey at maxmemory", "memory", _valkey_at_limit, (3.0, 15.0)),
    FaultKind("worker at RLIMIT_AS", "memory", _worker_at_limit, (3.0, 15.0)),
)
