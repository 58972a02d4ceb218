"""A history that can be told from its position alone, and a process that writes it.

`python -m tests.faults.fingerprint_store.workload PATH` continues the history of the store at PATH
and prints every position once it is committed.
"""

import random
import sys
from pathlib import Path

from pipeline.fingerprint_store import StoreRow, StoreWriter, open_store_writer
from tests.unit.fingerprint_store.model import Model, applied, row

REBUILD_EVERY = 17


def changes_at(position: int) -> dict[int, StoreRow | None]:
    """Return the changes that lead from the position before to this one."""
    draw = random.Random(position)
    drawn = [(draw.randint(1, 60), draw.randint(1, 10**6)) for _ in range(draw.randint(0, 20))]
    return {key: None if number % 3 == 0 else row(number) for key, number in drawn}


def model_at(position: int) -> Model:
    """Return the content at a position."""
    model: Model = {}
    for passed in range(1, position + 1):
        model = applied(model, changes_at(passed))
    return model


def step(writer: StoreWriter) -> int:
    """Commit the next position, now and then by a rebuild, and return it."""
    position = writer.position() + 1
    if position % REBUILD_EVERY:
        writer.apply(changes_at(position), position, position)
    else:
        content: dict[int, StoreRow | None] = {}
        for passed in range(1, position + 1):
            content |= changes_at(passed)
        writer.rebuild([content], position, position)
    return position


def main(path: str) -> None:
    """Write until killed."""
    with open_store_writer(Path(path)) as writer:
        while True:
            print(step(writer), flush=True)  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    main(sys.argv[1])
