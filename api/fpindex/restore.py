"""A snapshot becomes an index again, in the folder of a server that does not run."""

import shutil
from pathlib import Path
from typing import BinaryIO

from api.fpindex.errors import IndexAlreadyExistsError
from api.fpindex.indexes import check_name
from api.fpindex.snapshot import Header, SnapshotDamagedError, read_files, read_header
from api.fpindex.state import (
    MAX_GENERATION,
    NAME,
    State,
    StateDamagedError,
    engine_folder,
    least_generation,
    read_state,
    write_state,
)
from pipeline.index import files, verify


def restore(directory: Path, name: str, stream: BinaryIO) -> int:
    """Make an index of a snapshot, and return its generation.

    It is that of the snapshot, or a later one where the name has had it already.

    Args:
        directory: of the server; nobody else may use it meanwhile.
        name: of the new index.
        stream: the snapshot, seekable.

    Raises:
        InvalidIndexNameError: no index can have the name.
        IndexAlreadyExistsError: there is an index of that name.
        SnapshotDamagedError: the text says what is wrong with the snapshot.
        StateDamagedError: what is left of an earlier index of that name cannot be read, or no
            later generation is left.
    """
    check_name(name)
    former = read_state(directory / name)
    if former is not None and not former.deleted:
        raise IndexAlreadyExistsError
    header = read_header(stream)
    least = least_generation(former)
    if least > MAX_GENERATION:
        raise StateDamagedError(
            f"{directory / name / NAME} has the last generation that there can be: "
            "choose another name"
        )
    generation = max(header.generation, least)
    folder = engine_folder(directory / name, generation)
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt that failed
    files.make_directory(folder)
    try:
        _fill(folder, header, stream)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    write_state(folder.parent, State(generation, deleted=False))
    return generation


def _fill(folder: Path, header: Header, stream: BinaryIO) -> None:
    read_files(header, stream, folder)
    problems = verify(folder)
    if problems:
        raise SnapshotDamagedError(f"its files are damaged: {problems[0]}")
