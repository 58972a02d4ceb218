"""Verifies and restores indexes in a server's folder without the server."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from index_server.errors import IndexAlreadyExistsError
from index_server.registry import check_name
from index_server.snapshot_stream import (
    SnapshotDamagedError,
    SnapshotHeader,
    read_files,
    read_header,
)
from index_server.state import (
    MAX_GENERATION,
    NAME,
    State,
    StateDamagedError,
    engine_folder,
    least_generation,
    read_state,
    write_state,
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
    if (directory / MANIFEST_NAME).exists() or any(directory.glob(f"*{SUFFIX}")):
        yield directory, verify(directory)
    elif (directory / NAME).exists():
        yield from _verify_named(directory)
    else:
        for folder in sorted(directory.iterdir()):
            yield from _verify_named(folder)


def restore(directory: Path, name: str, stream: BinaryIO) -> int:
    """Create an index from a snapshot, and return its generation.

    The generation is that of the snapshot, or a later one if an earlier index of that name had it.

    Args:
        directory: the folder of the server, which must not run.
        name: the name of the new index.
        stream: the snapshot, seekable.

    Raises:
        InvalidIndexNameError: the name is not valid.
        IndexAlreadyExistsError: an index of that name exists.
        SnapshotDamagedError: the snapshot is invalid; the text gives the reason.
        StateDamagedError: the state of an earlier index of that name cannot be read, or no later
            generation is possible.
    """
    check_name(name)
    former = read_state(directory / name)
    if former is not None and not former.deleted:
        raise IndexAlreadyExistsError
    header = read_header(stream)
    least = least_generation(former)
    if least > MAX_GENERATION:
        raise StateDamagedError(
            f"{directory / name / NAME} has the highest possible generation: choose another name"
        )
    generation = max(header.generation, least)
    folder = engine_folder(directory / name, generation)
    shutil.rmtree(folder, ignore_errors=True)  # left by a failed attempt
    files.make_directory(folder)
    try:
        _fill(folder, header, stream)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    write_state(folder.parent, State(generation, deleted=False))
    return generation


def _verify_named(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Check the live generation of an index, if there is one."""
    try:
        state = read_state(folder)
        if state is None or state.deleted:
            return
        problems = verify(engine_folder(folder, state.generation))
        if not problems or read_state(folder) == state:
            yield folder, problems
    except StateDamagedError as error:
        yield folder, [str(error)]


def _fill(folder: Path, header: SnapshotHeader, stream: BinaryIO) -> None:
    read_files(header, stream, folder)
    problems = verify(folder)
    if problems:
        raise SnapshotDamagedError(f"its files are damaged: {problems[0]}")
