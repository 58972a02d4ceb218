"""The folder of an index's name: what it contains.

`examine` explains each entry of the folder. Folders of engines that a state file records as to be
removed or as unfinished, and those without data, are leftovers, which
`index_server.folder_changes` removes. Anything else stays.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from index_server.state import (
    ENGINE_PREFIX,
    NAME,
    NEW_NAME,
    State,
    StateDamagedError,
    encode_state,
    engine_folder,
    read_state,
)
from pipeline.index import IndexCorrupt
from pipeline.index.index_manifest import INDEX_FORMAT
from pipeline.index.segments.segment_format import SUFFIX
from pipeline.storage.format import MANIFEST_NAME
from pipeline.storage.manifest import read_manifest
from pipeline.storage.segment_files import list_segments, unknown_files

PARTIAL: Final = ".new"
"""The suffix of an engine's folder that a restore is writing."""

_ENGINE: Final = re.compile(rf"{ENGINE_PREFIX}([0-9]{{6,20}})(?:{re.escape(PARTIAL)})?", re.ASCII)


class FolderDamagedError(Exception):
    """Data of an index is not understood; the text names each folder and explains what to do."""


@dataclass(frozen=True, slots=True)
class NameFolder:
    """The content of the folder of a name.

    Attributes:
        path: the folder; it need not exist.
        state: the content of the state file; None without one.
        current: the engine's folder of the index; None if there is no index.
        leftovers: engines' folders that can be removed.
        partial_state: a state file that was being written; None without one.
        problems: one line for each part of an index that is not understood.
        unknown: entries that do not belong to an index; `path` itself if it is not a folder.
    """

    path: Path
    state: State | None = None
    current: Path | None = None
    leftovers: tuple[Path, ...] = ()
    partial_state: Path | None = None
    problems: tuple[str, ...] = ()
    unknown: tuple[Path, ...] = ()

    def is_foreign(self) -> bool:
        """Return whether the folder has only entries that do not belong to an index."""
        return self.state is None and bool(self.unknown)

    def former(self) -> State | None:
        """Return the state of the last finished index of the name; None if there was none."""
        return self.state.finished() if self.state else None

    def obstacle(self) -> str:
        """Return why no index can be created in the folder; an empty text if one can."""
        if self.problems:
            return "; ".join(self.problems)
        if self.is_foreign():
            return f"{self.path} has entries that do not belong to an index: move them away"
        return ""


def examine(path: Path) -> NameFolder:
    """Return what the folder of a name contains. A folder that cannot be read is a problem."""
    try:
        return _examine(path)
    except StateDamagedError as error:
        return NameFolder(path, problems=(str(error),))
    except OSError as error:
        return NameFolder(path, problems=(unreadable(error, path),))


def unreadable(error: OSError, folder: Path) -> str:
    """Return the text of a file that cannot be read, with the action to take.

    Args:
        error: the error of the system.
        folder: the folder of the index.
    """
    path = error.filename or folder
    return f"{path}: {error.strerror}; correct its permissions, or restore {folder} from a backup"


def _examine(path: Path) -> NameFolder:
    if not path.is_dir():
        present = path.exists() or path.is_symlink()
        return NameFolder(path, unknown=(path,) if present else ())
    state = read_state(path)
    engines, unknown = _entries(path)
    own = engine_folder(path, state.generation) if state else None
    current = own if state and not state.deleted else None
    problems, leftovers = [], []
    if current and current not in engines:
        problems.append(f"{current} is missing: restore it, or move {path} away")
    for engine in engines:
        if problem := _problem(engine, state):
            problems.append(problem)
        elif engine == current:
            continue
        elif state and engine == own and state.unfinished and _has_data(engine):
            current = engine
        else:
            leftovers.append(engine)
    new = path / NEW_NAME
    partial_state = new if new.is_file() and (state or not unknown) else None
    return NameFolder(
        path, state, current, tuple(leftovers), partial_state, tuple(problems), tuple(unknown)
    )


def partial_folder(engine: Path) -> Path:
    """Return the folder in which a restore writes the files of an engine."""
    return engine.with_name(engine.name + PARTIAL)


def _entries(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the engines' folders, and the entries that are neither these nor state files."""
    engines, unknown = [], []
    for entry in sorted(path.iterdir()):
        match = _ENGINE.fullmatch(entry.name)
        if match and entry.name.removesuffix(PARTIAL) == engine_folder(path, int(match[1])).name:
            engines.append(entry)
        elif entry.name != NAME and not (entry.name == NEW_NAME and entry.is_file()):
            unknown.append(entry)
    return engines, unknown


def _problem(engine: Path, state: State | None) -> str:
    """Return why an engine's folder is not understood; an empty text if it is."""
    own = engine_folder(engine.parent, state.generation) if state else None
    if not engine.is_dir():
        return f"{engine} is not a folder: move it away"
    if engine.name.endswith(PARTIAL):
        is_named = state and own and state.unfinished and engine == partial_folder(own)
        unnamed = f"{engine} is not of a restore that {engine.parent / NAME} names: move it away"
        return "" if is_named else unnamed
    if unknown := [str(error) for error in unknown_files(INDEX_FORMAT, engine)]:
        return "; ".join(unknown)
    is_own = state is not None and engine == own
    has_manifest = (engine / MANIFEST_NAME).is_file()
    if state and is_own and not state.deleted:
        return "" if has_manifest else _no_manifest(engine)
    if state and is_own and (state.removing or (state.unfinished and has_manifest)):
        return ""
    return _unexplained(engine, state) if _has_data(engine) else ""


def _no_manifest(engine: Path) -> str:
    manifest, folder = engine / MANIFEST_NAME, engine.parent
    problem = "is not a file" if manifest.exists() else "is missing"
    return (
        f"{manifest} {problem}: restore the whole folder {folder} from a backup, or move {folder} "
        "away"
    )


def _has_data(engine: Path) -> bool:
    """Return whether an engine's folder has more than a new index without updates."""
    found = list_segments(engine, SUFFIX)
    if found.committed or found.uncommitted or found.set_aside:
        return True
    try:
        manifest = read_manifest(INDEX_FORMAT, engine)
    except (IndexCorrupt, OSError):
        return True
    return bool(manifest and (manifest.segments or manifest.position or manifest.metadata))


def _unexplained(engine: Path, state: State | None) -> str:
    path = engine.parent / NAME
    if state and engine == engine_folder(engine.parent, state.generation):
        content = encode_state(State(state.generation, deleted=False)).decode()
        return (
            f"{path} says that there is no index, but {engine} has data of one: to use the data, "
            f"write {content} into {path}; otherwise move {engine} away"
        )
    if state:
        return (
            f"{engine} is not of generation {state.generation}, which {path} names: restore the "
            f"whole folder {engine.parent} from a backup, or move {engine} away"
        )
    generation = int(engine.name.removeprefix(ENGINE_PREFIX))
    content = encode_state(State(generation, deleted=False)).decode()
    return (
        f"{path} is missing, but {engine} has data of an index: restore the file from a backup, "
        f"or write {content} into it, or move {engine.parent} away"
    )
