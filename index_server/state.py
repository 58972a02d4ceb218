"""The state file of an index name: the generation, and whether the index is deleted.

The file stays after a deletion, so a later index of the same name has a later generation.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.storage import files

NAME: Final = "state"
NEW_NAME: Final = "state.new"
ENGINE_PREFIX: Final = "v"

FIRST_GENERATION: Final = 1
MAX_GENERATION: Final = 2**64 - 1  # the largest number of MessagePack


class StateDamagedError(Exception):
    """A state file is damaged or has the highest generation; the text names it."""


@dataclass(frozen=True, slots=True)
class State:
    """The generation of the latest index of a name.

    Attributes:
        generation: the generation.
        deleted: whether no index exists.
        removing: whether the engine's folder of this generation is still to be removed. Then
            `deleted` is true. Without it, data of this generation were copied back later.
        unfinished: whether the index was never finished: it is being created or restored. Then
            `deleted` is true.
        former: the generation of the deleted index before an unfinished one; None without one.
    """

    generation: int
    deleted: bool
    removing: bool = False
    unfinished: bool = False
    former: int | None = None

    def finished(self) -> "State | None":
        """Return the state without an unfinished index; None if there was no index before it."""
        if not self.unfinished:
            return self
        return None if self.former is None else State(self.former, deleted=True)


def engine_folder(folder: Path, generation: int) -> Path:
    """Return the engine's folder for one generation of the index in `folder`."""
    return folder / f"{ENGINE_PREFIX}{generation:06}"


def least_generation(former: State | None) -> int:
    """Return the lowest permitted generation of a new index. It may exceed `MAX_GENERATION`.

    Args:
        former: the state of the last finished index of that name; None without one.
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
        removing, unfinished = stored.get("removing", False), stored.get("unfinished", False)
        former = stored.get("former")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (IsADirectoryError, ValueError, TypeError, KeyError, AttributeError):
        raise _damaged(path) from None
    generations = [generation] if former is None else [generation, former]
    if any(type(each) is not int or each < 0 for each in generations):
        raise _damaged(path)
    if any(type(each) is not bool for each in (deleted, removing, unfinished)):
        raise _damaged(path)
    if (removing or unfinished) and not deleted:
        raise _damaged(path)
    return State(generation, deleted, removing, unfinished, former)


def encode_state(state: State) -> bytes:
    """Return the content of a state file. Earlier versions read its first two fields."""
    content: dict[str, int | bool | None] = {
        "generation": state.generation,
        "deleted": state.deleted,
    }
    if state.removing:
        content["removing"] = True
    if state.unfinished:
        content |= {"unfinished": True, "former": state.former}
    return json.dumps(content).encode()


def write_state(folder: Path, state: State) -> None:
    """Write the state durably. After a crash, the folder contains the old state or the new one."""
    files.replace_content(folder / NAME, folder / NEW_NAME, encode_state(state))


def _damaged(path: Path) -> StateDamagedError:
    return StateDamagedError(
        f"{path} is damaged: restore its folder from a backup, or move the folder away"
    )
