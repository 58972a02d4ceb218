"""A history that can be told from its position alone, and a process that writes it.

`python -m tests.faults.index.workload PATH` continues the history of the index at PATH and prints
every position once it is committed.
"""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING

from pipeline.index import Change, Delete, Insert, open_writer
from tests.unit.index.model import Documents, applied, terms

if TYPE_CHECKING:
    from pipeline.index import IndexWriter

IDS = 60
REBUILD_EVERY = 17


def changes_at(position: int) -> list[Change]:
    """Return the changes that lead from the position before to this one."""
    draw = random.Random(position)
    changes: list[Change] = []
    for _ in range(draw.randint(0, 20)):
        id_ = draw.randint(1, IDS)
        if draw.random() < 0.3:
            changes.append(Delete(id_))
        else:
            changes.append(Insert(id_, terms(*draw.sample(range(0, 4000, 16), 30))))
    return changes


def documents_at(position: int) -> Documents:
    """Return the documents at a position."""
    documents: Documents = {}
    for passed in range(1, position + 1):
        documents = applied(documents, changes_at(passed))
    return documents


def step(writer: IndexWriter) -> int:
    """Commit the next position, now and then by a rebuild, and return it."""
    position = writer.position() + 1
    if position % REBUILD_EVERY:
        writer.apply(changes_at(position), position)
    else:
        writer.rebuild(map(changes_at, range(1, position + 1)), position)
    return position


def main(path: str) -> None:
    """Write until killed."""
    with open_writer(path) as writer:
        while True:
            print(step(writer), flush=True)  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    main(sys.argv[1])
