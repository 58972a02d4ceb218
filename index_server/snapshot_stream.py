"""The snapshot format: an index as one stream of bytes, written while the index changes.

The stream starts with a MessagePack map
``{"f": 1, "g": generation, "s": [{"i": name, "s": bytes}, …]}``. The listed files follow without
separators. They are the files of the engine's folder, including the manifest.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgpack

from pipeline.index.segments.segment_format import SUFFIX
from pipeline.storage import files
from pipeline.storage.format import MANIFEST_NAME

FORMAT: Final = 1

_CHUNK: Final = 1 << 20
_MAX_HEADER: Final = 1 << 20
_FILE_NAME: Final = re.compile(
    rf"{re.escape(MANIFEST_NAME)}|[0-9a-f]{{16}}{re.escape(SUFFIX)}", re.ASCII
)


class SnapshotDamagedError(Exception):
    """A file is not a complete snapshot; the text gives the reason."""


@dataclass(frozen=True, slots=True)
class SnapshotHeader:
    """The map at the start of a snapshot.

    Attributes:
        generation: the generation of the source index.
        sizes: the number of bytes of each file by its name, in the order of the stream.
    """

    generation: int
    sizes: dict[str, int]


def write_snapshot(generation: int, contents: list[tuple[str, memoryview]]) -> Iterator[bytes]:
    """Yield a snapshot in pieces of at most 1 MiB.

    Args:
        generation: the generation of the index.
        contents: the name and content of each file of one consistent state.
    """
    sizes = [{"i": name, "s": data.nbytes} for name, data in contents]
    yield msgpack.packb({"f": FORMAT, "g": generation, "s": sizes})
    for _, data in contents:
        octets = data.cast("B")
        for start in range(0, len(octets), _CHUNK):
            yield bytes(octets[start : start + _CHUNK])


def read_header(stream: BinaryIO) -> SnapshotHeader:
    """Read the header of a snapshot. The stream is then at the first file.

    Args:
        stream: the snapshot, at its start, seekable.

    Raises:
        SnapshotDamagedError: the header is invalid, or its format is unknown.
    """
    unpacker = msgpack.Unpacker()
    unpacker.feed(stream.read(_MAX_HEADER))
    try:
        stored = unpacker.unpack()
        if stored["f"] != FORMAT:
            raise SnapshotDamagedError(f"its format is {stored['f']!r}; only {FORMAT} is supported")
        header = SnapshotHeader(stored["g"], _sizes(stored["s"]))
        valid = _is_valid(header)
    except (ValueError, TypeError, KeyError, msgpack.OutOfData):
        valid = False
    if not valid:
        raise SnapshotDamagedError("it has no snapshot header")
    stream.seek(unpacker.tell())
    return header


def read_files(header: SnapshotHeader, stream: BinaryIO, folder: Path) -> None:
    """Write the files of a snapshot into a folder, durably.

    Args:
        header: the result of `read_header`.
        stream: the snapshot, at its first file.
        folder: an existing empty folder.

    Raises:
        SnapshotDamagedError: the snapshot is too short or too long for its header.
    """
    for name, size in header.sizes.items():
        _write_file(stream, folder / name, size)
    if stream.read(1):
        raise SnapshotDamagedError("it has bytes after its last file")
    files.sync_directory(folder)


def _sizes(entries: list[dict[str, Any]]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for entry in entries:
        name = entry["i"]
        if name in sizes or not _FILE_NAME.fullmatch(name):
            problem = "twice" if name in sizes else "that does not belong to an index"
            raise SnapshotDamagedError(f"it has the file {name!r} {problem}")
        sizes[name] = entry["s"]
    return sizes


def _is_valid(header: SnapshotHeader) -> bool:
    numbers = (header.generation, *header.sizes.values())
    return all(type(number) is int and 0 <= number < 2**64 for number in numbers)


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
