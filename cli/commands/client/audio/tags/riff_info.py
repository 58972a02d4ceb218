"""Reads the INFO list of a WAV file, which many recorders write in place of ID3 tags.

Source: Microsoft and IBM, Multimedia Programming Interface and Data Specifications 1.0, chapter 2:
a RIFF file is a sequence of chunks, each with an id of 4 bytes, the size as a 32-bit little-endian
integer, and the data, padded to an even size.
"""

import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final

from cli.commands.client.audio.tags import tag_names

MAX_LIST: Final = 1024 * 1024
"""The maximum size of an INFO list in bytes. A longer one is not read."""

MAX_CHUNKS: Final = 1000
"""The maximum number of chunks of a file that are looked at."""

FIELDS: Final[Mapping[bytes, str]] = MappingProxyType(
    {
        b"INAM": tag_names.TITLE,
        b"IART": tag_names.ARTIST,
        b"IPRD": tag_names.ALBUM,
        b"ITRK": tag_names.TRACK,
        b"IPRT": tag_names.TRACK,
        b"ICRD": tag_names.DATE,
    }
)
"""The ids of the chunks of a list, and the fields of `tag_names`."""

_HEADER: Final = struct.Struct("<4sI")


def read_riff_info(path: Path) -> Mapping[str, str]:
    """Return the texts of the INFO lists of a WAV file by the fields of `tag_names`.

    A damaged file has those before the damage.

    Raises:
        OSError: the file cannot be read.
    """
    found: dict[str, str] = {}
    with path.open("rb") as file:
        for data in _info_lists(file):
            for name, text in _chunks(data):
                field = FIELDS.get(name)
                value = _text(text)
                if field and value:
                    found.setdefault(field, value)
    return found


def _info_lists(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the data of the INFO lists of a file, without their type."""
    start = file.read(12)
    if start[:4] != b"RIFF" or start[8:] != b"WAVE":
        return
    for _ in range(MAX_CHUNKS):
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return
        name, size = _HEADER.unpack(header)
        end = file.tell() + size + size % 2
        if name == b"LIST" and 4 <= size <= MAX_LIST:
            data = file.read(size)
            if data[:4] == b"INFO":
                yield data[4:]
        file.seek(end, os.SEEK_SET)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the ids and the data of the chunks of a list."""
    at = 0
    while at + _HEADER.size <= len(data):
        name, size = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        yield name, data[at : at + size]
        at += size + size % 2


def _text(data: bytes) -> str:
    """Return a text that ends with a zero byte. It has no declared encoding."""
    text = data.partition(b"\0")[0]
    try:
        return text.decode().strip()
    except UnicodeDecodeError:
        return text.decode("cp1252", "replace").strip()
