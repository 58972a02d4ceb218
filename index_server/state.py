"""What the server knows of an index by name: its generation, and whether it is deleted.

It outlives the index, so that a later one of the same name has a later generation.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.storage import files

NAME: Final = "state"
_NEW_NAME: Final = "state.new"
ENGINE_PREFIX: Final = "v"

FIRST_GENERATION: Final = 1
MAX_GENERATION: Final = 2**64 - 1  # messages have no larger numbers


class StateDamagedError(Exception):
    """A state file cannot be read, or leaves no later generation; the text names it."""


@dataclass(frozen=True, slots=True)
class State:
    """Generation of the latest index of a name."""

    generation: int
    deleted: bool


def engine_folder(folder: Path, generation: int) -> Path:
    """Return where the engine keeps one generation of the index in `folder`."""
    return folder / f"{ENGINE_PREFIX}{generation:06}"


def least_generation(former: State | None) -> int:
    """Return the earliest generation of a new index; past `MAX_GENERATION` there can be none.

    Args:
        former: the state that the last index of its name has left, if any.
    """
    return FIRST_GENERATION if former is None else former.generation + 1


def read_state(folder: Path) -> State | None:
    """Return the state that a folder holds, None if there is none.

    Raises:
        StateDamagedError: it is not what `write_state` writes.
    """
    path = folder / NAME
    try:
        stored = json.loads(path.read_bytes())
        generation, deleted = stored["generation"], stored["deleted"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, KeyError):
        raise _damaged(path) from None
    if type(generation) is not int or generation < 0 or type(deleted) is not bool:
        raise _damaged(path)
    return State(generation, deleted)


def write_state(folder: Path, state: State) -> None:
    """Put a state in force, durably: after a crash the folder holds the old one or this."""
    content = json.dumps({"generation": state.generation, "deleted": state.deleted}).encode()
    files.replace_content(folder / NAME, folder / _NEW_NAME, content)


def _damaged(path: Path) -> StateDamagedError:
    return StateDamagedError(
        f"{path} is damaged: restore its folder, or move the folder away to begin without it"
    )
