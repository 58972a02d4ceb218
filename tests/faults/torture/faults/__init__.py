"""The kinds of faults, and a random sequence of them.

To add a kind, append a `FaultKind` to the ``KINDS`` of a module of this folder.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from tests.faults.torture.faults import clocks, disks, files, links, memory, processes, servers
from tests.faults.torture.faults.kind import FaultKind
from tests.faults.torture.stack.torture_stack import TortureStack

KINDS: Final = (
    *processes.KINDS,
    *links.KINDS,
    *servers.KINDS,
    *clocks.KINDS,
    *disks.KINDS,
    *memory.KINDS,
    *files.KINDS,
)


def chosen(names: Sequence[str]) -> list[FaultKind]:
    """Return the kinds whose name or area contains one of the texts; all kinds for no texts.

    Raises:
        ValueError: a text selects no kind.
    """
    for name in names:
        if not any(name in each.name or name == each.area for each in KINDS):
            raise ValueError(f"no kind of fault contains {name!r}: see --list")
    return [
        each
        for each in KINDS
        if not names or any(name in each.name or name == each.area for name in names)
    ]


def sequence(
    kinds: Sequence[FaultKind], stack: TortureStack, random: Random
) -> Iterator[FaultKind]:
    """Yield the kinds that a stack can have in random order, again and again."""
    usable = [each for each in kinds if each.problem(stack) is None]
    while usable:
        yield from random.sample(usable, len(usable))
