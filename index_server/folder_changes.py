"""Each change of the folder of an index's name: creation, deletion, and what a crash has left.

A creation writes the state file twice: first the record of the unfinished index, last the state
that makes the index exist. A restore writes its files into ``v000007.new`` and renames this folder
when it is complete. So if ``v000007`` of an unfinished index has data, the index is complete, and
only the last state is not written yet.

A deletion also writes the state file twice: first the record that the engine's folder is to be
removed, then, when it is removed, the state of a deleted index. So data of a deleted index that are
copied back later are not removed.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from index_server.name_folder import NameFolder, partial_folder
from index_server.state import (
    NAME,
    NEW_NAME,
    State,
    engine_folder,
    read_state,
    write_state,
)
from pipeline.index.segments.segment_format import SUFFIX
from pipeline.storage import files
from pipeline.storage.format import LOCK_NAME, MANIFEST_NAME, TEMPORARY_NAME
from pipeline.storage.scrub import PARTIAL_NAME, SCRUB_NAME
from pipeline.storage.segment_files import list_segments

logger = structlog.get_logger("acoustid.index_server.folder_changes")


def settle(found: NameFolder) -> None:
    """Finish the last creation or deletion: remove what is left of it, and record that.

    Raises:
        OSError: the disk is failing; a later call continues.
    """
    for engine in found.leftovers:
        remove_engine(engine)
    if found.state and found.state.unfinished:
        if found.current:
            publish(found.path, found.state.generation)
        else:
            _put_back(found.path, found.former(), keep_folder=False)
    elif found.state and found.state.removing:
        write_state(found.path, State(found.state.generation, deleted=True))
    if found.partial_state:
        files.remove(found.partial_state)
        logger.info("incomplete state file removed", path=str(found.partial_state))
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
        write_state(found.path, unfinished)
        yield engine
    except BaseException:
        with suppress(OSError):  # the record stays, and the next `settle` continues
            _undo(engine, unfinished)
            _put_back(found.path, former, keep_folder=not is_folder_new)
        raise


def publish(folder: Path, generation: int) -> None:
    """Make a new index exist; its engine's folder is complete."""
    write_state(folder, State(generation, deleted=False))


def record_deletion(folder: Path, generation: int) -> None:
    """Write the state of a deleted index. After an error the index still exists."""
    try:
        write_state(folder, State(generation, deleted=True, removing=True))
    except BaseException:
        with suppress(OSError):
            write_state(folder, State(generation, deleted=False))
        raise


def remove_engine(engine: Path) -> None:
    """Delete the files of an engine, and its folder if it has no other files.

    Of a symbolic link, only the link is deleted.

    Raises:
        OSError: the disk is failing.
    """
    if engine.is_symlink():
        files.remove(engine)
        files.sync_directory(engine.parent)
        logger.info("link to the folder of an index removed", path=str(engine))
        return
    if not engine.exists():
        return
    found = list_segments(engine, SUFFIX)
    for path in (
        engine / MANIFEST_NAME,
        *found.committed.values(),
        *found.uncommitted.values(),
        *found.set_aside.values(),
        engine / TEMPORARY_NAME,
        engine / SCRUB_NAME,
        engine / PARTIAL_NAME,
        engine / LOCK_NAME,
    ):
        files.remove(path)
    # After a power cut, removed files must not exist again when their record is replaced.
    if any(engine.iterdir()):
        files.sync_directory(engine)
        logger.warning("files that do not belong to an index are left", path=str(engine))
        return
    files.remove_directory(engine)
    files.sync_directory(engine.parent)
    logger.info("folder of an index removed", path=str(engine))


def _undo(engine: Path, unfinished: State) -> None:
    """Remove the files of a failed creation. This needs no space on a full disk."""
    folder = engine.parent
    files.remove(folder / NEW_NAME)
    state = read_state(folder)
    if state and not state.deleted:  # it may be lost in a power cut
        write_state(folder, unfinished)
    if list_segments(engine, SUFFIX).committed:
        # A restore has renamed it. After a crash it would be an index, or not understood.
        files.replace(engine, partial_folder(engine))
    remove_engine(engine)
    remove_engine(partial_folder(engine))


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
