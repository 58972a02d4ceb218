"""The state file of an index name: the generation, and whether the index is deleted.

The file stays after a deletion, so a later index of the same name has a later generation.
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
MAX_GENERATION: Final = 2**64 - 1  # the largest number of MessagePack


class StateDamagedError(Exception):
    """A state file is damaged or has the highest generation; the text names it."""


@dataclass(frozen=True, slots=True)
class State:
    """The generation of the latest index of a name."""

    generation: int
    deleted: bool


def engine_folder(folder: Path, generation: int) -> Path:
    """Return the engine's folder for one generation of the index in `folder`."""
    return folder / f"{ENGINE_PREFIX}{generation:06}"


def least_generation(former: State | None) -> int:
    """Return the lowest permitted generation of a new index. It may exceed `MAX_GENERATION`.

    Args:
        former: the state of the last index of that name; None without one.
    """
    return FIRST_GENERATION if former is None else former.generation + 1


def read_state(folder: Path) -> State | None:
    """Return the state in a folder; None if there is none.

    Raises:
        StateDamagedError: the file does not have the format of `write_state`.
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
    """Write the state durably. After a crash, the folder contains the old state or the new one."""
    content = json.dumps({"generation": state.generation, "deleted": state.deleted}).encode()
    files.replace_content(folder / NAME, folder / _NEW_NAME, content)


def _damaged(path: Path) -> StateDamagedError:
    return StateDamagedError(
        f"{path} is damaged: restore its folder, or remove the folder to start without it"
    )
