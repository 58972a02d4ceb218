"""An index as one stream of bytes: written while the index changes, read back into a folder.

A MessagePack map ``{"f": 1, "g": generation, "s": [{"i": name, "s": bytes}, …]}``, then the files
that it lists, one after the other, without anything between them. The files are those of the
engine's folder, the manifest among them: with those names in a folder they are the index.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import msgpack

from index_server.errors import IndexAlreadyExistsError
from index_server.indexes import check_name
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
from pipeline.storage import files

FORMAT: Final = 1

_CHUNK: Final = 1 << 20
_MAX_HEADER: Final = 1 << 20
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


class SnapshotDamagedError(Exception):
    """What should be a snapshot is none, or ends early; the text says where."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a snapshot says of itself.

    Attributes:
        generation: of the index it was taken from.
        sizes: bytes of each file by its name, in the order in which they follow.
    """

    generation: int
    sizes: dict[str, int]


def write_snapshot(generation: int, contents: list[tuple[str, memoryview]]) -> Iterator[bytes]:
    """Yield a snapshot in pieces of bounded size.

    Args:
        generation: of the index.
        contents: name and content of each file of one consistent state.
    """
    sizes = [{"i": name, "s": data.nbytes} for name, data in contents]
    yield msgpack.packb({"f": FORMAT, "g": generation, "s": sizes})
    for _, data in contents:
        octets = data.cast("B")
        for start in range(0, len(octets), _CHUNK):
            yield bytes(octets[start : start + _CHUNK])


def read_header(stream: BinaryIO) -> Header:
    """Read what a snapshot says of itself, and leave the stream at its first file.

    Args:
        stream: the snapshot, at its beginning, seekable.

    Raises:
        SnapshotDamagedError: it does not begin as a snapshot does, or is of another format.
    """
    unpacker = msgpack.Unpacker()
    unpacker.feed(stream.read(_MAX_HEADER))
    try:
        stored = unpacker.unpack()
        if stored["f"] != FORMAT:
            raise SnapshotDamagedError(f"its format is {stored['f']!r}, only {FORMAT} is known")
        header = Header(stored["g"], {entry["i"]: entry["s"] for entry in stored["s"]})
        sound = _is_sound(header) and len(header.sizes) == len(stored["s"])
    except (ValueError, TypeError, KeyError, msgpack.OutOfData):
        sound = False
    if not sound:
        raise SnapshotDamagedError("it does not begin as a snapshot does")
    stream.seek(unpacker.tell())
    return header


def read_files(header: Header, stream: BinaryIO, folder: Path) -> None:
    """Write the files of a snapshot into a folder, durably.

    Args:
        header: what `read_header` returned.
        stream: where that left it.
        folder: it exists and is empty.

    Raises:
        SnapshotDamagedError: the snapshot ends early, or has more in it than it lists.
    """
    for name, size in header.sizes.items():
        _write_file(stream, folder / name, size)
    if stream.read(1):
        raise SnapshotDamagedError("bytes follow the last of its files")
    files.sync_directory(folder)


def _is_sound(header: Header) -> bool:
    numbers = (header.generation, *header.sizes.values())
    return all(type(number) is int and number >= 0 for number in numbers) and all(
        _FILE_NAME.fullmatch(name) for name in header.sizes
    )


def _write_file(stream: BinaryIO, path: Path, size: int) -> None:
    descriptor = files.create(path)
    try:
        written = 0
        while written < size:
            piece = stream.read(min(_CHUNK, size - written))
            if not piece:
                raise SnapshotDamagedError(f"it ends within the file {path.name}")
            files.write_at(descriptor, piece, written)
            written += len(piece)
        files.sync(descriptor)
    finally:
        files.close(descriptor)


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
