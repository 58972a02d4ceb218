"""A history that follows from its position alone, and a process that writes it.

`python -m tests.faults.storage.workload USER PATH` continues the history of the folder at PATH and
prints every position once it is committed. USER is "index" or "store".
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.unit.storage.users import USERS, User

if TYPE_CHECKING:
    from tests.unit.storage.users import Documents

IDS = 60
REBUILD_EVERY = 17


def numbers_at(position: int) -> dict[int, int | None]:
    """Return the changes that lead from the position before to this one."""
    draw = random.Random(position)
    drawn = [(draw.randint(1, IDS), draw.randint(1, 10**6)) for _ in range(draw.randint(0, 20))]
    return {id_: None if number % 3 == 0 else number for id_, number in drawn}


def all_numbers_at(position: int) -> dict[int, int | None]:
    """Return the changes that lead from an empty folder to a position."""
    numbers: dict[int, int | None] = {}
    for passed in range(1, position + 1):
        numbers |= numbers_at(passed)
    return numbers


def documents_at(user: User, position: int) -> Documents:
    """Return the documents at a position."""
    return user.documents(all_numbers_at(position))


def step(user: User, writer: Any) -> int:
    """Commit the next position, now and then by a rebuild, and return it."""
    position: int = writer.position() + 1
    if position % REBUILD_EVERY:
        user.apply(writer, numbers_at(position), position)
    else:
        user.rebuild(writer, [all_numbers_at(position)], position)
    return position


def main(noun: str, path: str) -> None:
    """Write until killed."""
    [user] = [each for each in USERS if each.format.noun == noun]
    with user.open_background_writer(Path(path)) as writer:
        while True:
            print(step(user, writer), flush=True)  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    main(*sys.argv[1:])
