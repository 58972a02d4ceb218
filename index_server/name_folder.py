"""The folder of an index's name: what it contains, and each change of it.

`examine` explains each entry of the folder. Only folders of engines that a state file records as
deleted or unfinished, and those without data, are removed. Anything else stays.

A creation writes the state file twice: first the record of the unfinished index, last the state
that makes the index exist. A deletion writes the state first. So after a crash at any moment the
state file says which engine's folder is to be removed.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from index_server.state import (
    ENGINE_PREFIX,
    NAME,
    NEW_NAME,
    State,
    StateDamagedError,
    encode_state,
    engine_folder,
    read_state,
    write_state,
)
from pipeline.index import IndexCorrupt
from pipeline.index.index_manifest import INDEX_FORMAT
from pipeline.index.segments.segment_format import SUFFIX
from pipeline.storage import files
from pipeline.storage.format import LOCK_NAME, MANIFEST_NAME, TEMPORARY_NAME
from pipeline.storage.manifest import read_manifest
from pipeline.storage.segment_files import list_segments

_ENGINE: Final = re.compile(rf"{ENGINE_PREFIX}([0-9]{{6,20}})", re.ASCII)

logger = structlog.get_logger("acoustid.index_server.name_folder")


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
    """Return what the folder of a name contains.

    Raises:
        OSError: the folder cannot be read.
    """
    if not path.is_dir():
        present = path.exists() or path.is_symlink()
        return NameFolder(path, unknown=(path,) if present else ())
    try:
        state = read_state(path)
    except StateDamagedError as error:
        return NameFolder(path, problems=(str(error),))
    engines, unknown = _entries(path)
    current = engine_folder(path, state.generation) if state and not state.deleted else None
    problems, leftovers = [], []
    if current and current not in engines:
        problems.append(f"{current} is missing: restore it, or move {path} away")
    for engine in engines:
        if not engine.is_dir():
            problems.append(f"{engine} is not a folder: move it away")
        elif engine == current:
            if not (engine / MANIFEST_NAME).exists():
                problems.append(
                    f"{engine / MANIFEST_NAME} is missing: restore the whole folder {path} from a "
                    f"backup, or move {path} away"
                )
        elif state and engine == engine_folder(path, state.generation):
            leftovers.append(engine)
        elif _has_data(engine):
            problems.append(_unexplained(engine, state))
        else:
            leftovers.append(engine)
    new = path / NEW_NAME
    partial_state = new if new.is_file() and (state or not unknown) else None
    return NameFolder(
        path, state, current, tuple(leftovers), partial_state, tuple(problems), tuple(unknown)
    )


def settle(found: NameFolder) -> None:
    """Remove the engines' folders that can be removed, and the rest of an unfinished index.

    Raises:
        OSError: the disk is failing; a later call continues.
    """
    for engine in found.leftovers:
        remove_engine(engine)
    if found.state and found.state.unfinished:
        _put_back(found.path, found.former(), keep_folder=False)
    if found.partial_state:
        files.remove(found.partial_state)
        if not found.state:
            with suppress(OSError):  # it is not empty
                files.remove_directory(found.path)


@contextmanager
def new_generation(found: NameFolder, generation: int) -> Iterator[Path]:
    """Provide the engine's folder for a new index. The block fills it and calls `publish`.

    If the block raises an error, the folder of the name is as before. After a crash the next
    `settle` does this.

    Args:
        found: the folder of the name, without an obstacle and without an index.
        generation: the generation of the new index.

    Raises:
        OSError: the disk is full or failing.
    """
    is_folder_new = not found.path.exists()
    settle(found)
    former = found.former()
    last = former.generation if former else None
    unfinished = State(generation, deleted=True, unfinished=True, former=last)
    engine = engine_folder(found.path, generation)
    try:
        files.make_directory(found.path)
        # A power cut must not restore a removed engine's folder after its record is replaced.
        files.sync_directory(found.path)
        write_state(found.path, unfinished)
        yield engine
    except BaseException:
        with suppress(OSError):  # the record stays, and the next `settle` continues
            if read_state(found.path) != unfinished:
                write_state(found.path, unfinished)
            remove_engine(engine)
            _put_back(found.path, former, keep_folder=not is_folder_new)
        raise


def publish(folder: Path, generation: int) -> None:
    """Make a new index exist; its engine's folder is complete."""
    write_state(folder, State(generation, deleted=False))


def remove_engine(engine: Path) -> None:
    """Delete the files of an engine, and its folder if it has no other files.

    Of a symbolic link, only the link is deleted.

    Raises:
        OSError: the disk is failing.
    """
    if engine.is_symlink():
        files.remove(engine)
        return
    found = list_segments(engine, SUFFIX)
    for path in (
        engine / MANIFEST_NAME,
        *found.committed.values(),
        *found.uncommitted.values(),
        *found.set_aside.values(),
        engine / TEMPORARY_NAME,
        engine / LOCK_NAME,
    ):
        files.remove(path)
    if engine.is_dir() and any(engine.iterdir()):
        logger.warning("files that do not belong to an index are left", folder=str(engine))
        return
    files.remove_directory(engine)


def _entries(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the engines' folders, and the entries that are neither these nor state files."""
    engines, unknown = [], []
    for entry in sorted(path.iterdir()):
        match = _ENGINE.fullmatch(entry.name)
        if match and entry == engine_folder(path, int(match[1])):
            engines.append(entry)
        elif entry.name != NAME and not (entry.name == NEW_NAME and entry.is_file()):
            unknown.append(entry)
    return engines, unknown


def _has_data(engine: Path) -> bool:
    """Return whether an engine's folder has more than a new index without updates."""
    found = list_segments(engine, SUFFIX)
    if found.committed or found.uncommitted or found.set_aside:
        return True
    try:
        manifest = read_manifest(INDEX_FORMAT, engine)
    except IndexCorrupt:
        return True
    return bool(manifest and (manifest.segments or manifest.position or manifest.metadata))


def _unexplained(engine: Path, state: State | None) -> str:
    path = engine.parent / NAME
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


def _put_back(folder: Path, former: State | None, *, keep_folder: bool) -> None:
    """Replace the record of an unfinished index by the state before it.

    Without a former index, the folder of the name is removed too if it is then empty.
    """
    if former:
        write_state(folder, former)
        return
    files.remove(folder / NAME)
    files.remove(folder / NEW_NAME)
    files.sync_directory(folder)
    if not keep_folder:
        with suppress(OSError):  # other files stay
            files.remove_directory(folder)
