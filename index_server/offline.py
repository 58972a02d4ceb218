"""Verifies and restores indexes in a server's folder without the server."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from index_server.errors import IndexAlreadyExistsError
from index_server.folder_changes import new_generation, publish
from index_server.name_folder import (
    FolderDamagedError,
    examine,
    partial_folder,
)
from index_server.registry import check_new_name, is_valid_name
from index_server.snapshot_stream import (
    SnapshotDamagedError,
    SnapshotHeader,
    read_files,
    read_header,
)
from index_server.state import (
    MAX_GENERATION,
    NAME,
    StateDamagedError,
    least_generation,
)
from pipeline.index import verify
from pipeline.index.segments.segment_format import SUFFIX
from pipeline.storage import files
from pipeline.storage.format import MANIFEST_NAME


def verify_below(directory: Path) -> Iterator[tuple[Path, list[str]]]:
    """Read all indexes in a folder. Yield the folder of each index and its problems.

    A server may run at the same time. Deleted indexes are skipped, also those that are deleted or
    replaced during the check.

    Args:
        directory: the folder of a server, of one of its indexes, or of an engine.

    Raises:
        OSError: a folder cannot be read.
    """
    if (directory / MANIFEST_NAME).is_file() or any(directory.glob(f"*{SUFFIX}")):
        yield directory, verify(directory)
        return
    found = examine(directory)
    is_of_server = (directory / NAME / NAME).exists()  # it has an index with the name `state`
    if (found.state or found.problems) and not is_of_server:
        yield from _verify_named(directory)
    else:
        for folder in sorted(directory.iterdir()):
            if is_valid_name(folder.name):
                yield from _verify_named(folder)


def restore(directory: Path, name: str, stream: BinaryIO) -> int:
    """Create an index from a snapshot, and return its generation.

    After an error the folder of the name is as before. After a crash the next start of the server,
    or the next call, removes what is left.

    The generation is that of the snapshot, or a later one if an earlier index of that name had it.

    Args:
        directory: the folder of the server, which must not run.
        name: the name of the new index.
        stream: the snapshot, seekable.

    Raises:
        InvalidIndexNameError: the name is not valid.
        IndexAlreadyExistsError: an index of that name exists.
        SnapshotDamagedError: the snapshot is invalid; the text gives the reason.
        StateDamagedError: no later generation of that name is possible.
        FolderDamagedError: the folder of the name has files that are not understood.
    """
    check_new_name(name)
    found = examine(directory / name)
    if obstacle := found.obstacle():
        raise FolderDamagedError(obstacle)
    if found.current:
        raise IndexAlreadyExistsError
    header = read_header(stream)
    least = least_generation(found.former())
    if least > MAX_GENERATION:
        raise StateDamagedError(
            f"{directory / name / NAME} has the highest possible generation: choose another name"
        )
    generation = max(header.generation, least)
    with new_generation(found, generation) as folder:
        partial = partial_folder(folder)
        files.make_directory(partial)
        _fill(partial, header, stream)
        files.replace(partial, folder)
        files.sync_directory(found.path)
        publish(found.path, generation)
    return generation


def _verify_named(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Check an index, if there is one. A problem counts if the index is not replaced meanwhile."""
    while True:
        found = examine(folder)
        problems = [*found.problems]
        if found.current and not problems:
            problems = verify(found.current)
        if not problems or examine(folder) == found:
            break
    if found.current or problems:
        yield folder, problems


def _fill(folder: Path, header: SnapshotHeader, stream: BinaryIO) -> None:
    read_files(header, stream, folder)
    problems = verify(folder)
    if problems:
        raise SnapshotDamagedError(f"its files are damaged: {problems[0]}")
