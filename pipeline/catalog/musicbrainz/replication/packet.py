"""Reads the archive of a replication packet.

A packet is a tar archive, compressed with bzip2. Beside the changes in ``mbdump/`` it has the files
``SCHEMA_SEQUENCE``, ``REPLICATION_SEQUENCE`` and ``TIMESTAMP``. Their form is that of MusicBrainz's
``admin/ExportAllTables`` and ``MusicBrainz::Script::MBDump``.
"""

import bz2
import io
import re
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from pipeline.catalog.musicbrainz.replication.errors import ReplicationError

MAX_CONTENT: Final = 16 * 2**30
"""Maximum bytes of a packet after decompression. Packets of an hour have up to some 100 MB."""

PACKET_NAME: Final = re.compile(r"replication-(\d{1,9})(?:-v2)?\.tar\.bz2")
"""The name of a packet's file: ``-v2`` in packets of dbmirror2."""

_MAX_HEADER: Final = 1000  # bytes of a file with a number or a time
_NUMBERS: Final = ("SCHEMA_SEQUENCE", "REPLICATION_SEQUENCE", "LAST_REPLICATION_SEQUENCE")
_HEADERS: Final = (*_NUMBERS, "TIMESTAMP")

MemberReader = Callable[[IO[bytes]], None]
"""Reads the file of one member."""


@dataclass(frozen=True, slots=True)
class PacketHeader:
    """The description of a packet.

    Attributes:
        schema: MusicBrainz's schema sequence.
        sequence: the number of the packet.
        timestamp: the time up to which it has the changes, as PostgreSQL writes it.
        members: the names of all files in it.
    """

    schema: int
    sequence: int
    timestamp: str
    members: frozenset[str]


def packet_names(sequence: int) -> tuple[str, str]:
    """Return the names that the file of a packet may have, the current form first."""
    return f"replication-{sequence}-v2.tar.bz2", f"replication-{sequence}.tar.bz2"


def read_packet(path: Path, readers: Mapping[str, MemberReader]) -> PacketHeader:
    """Read a packet from its first byte to its last, and return its description.

    Args:
        path: the file.
        readers: functions that read members, by the names of the members. Others are skipped.

    Raises:
        ReplicationError: the file is cut or damaged, a part is missing, or a reader refuses one.
        OSError: it cannot be read.
    """
    texts: dict[str, str] = {}
    members: set[str] = set()
    try:
        with (
            bz2.open(path) as compressed,
            tarfile.open(fileobj=_Limited(compressed, path), mode="r|") as archive,
        ):
            for member in archive:
                name = member.name.removeprefix("./")
                file = archive.extractfile(member)
                if file is None:
                    continue
                members.add(name)
                if name in _HEADERS:
                    texts[name] = file.read(_MAX_HEADER).decode("ascii").strip()
                elif name in readers:
                    _read_member(path, readers[name], file)
            # The end of the stream has a checksum, which tarfile does not read.
            while compressed.read(io.DEFAULT_BUFFER_SIZE):
                pass
    except (tarfile.TarError, EOFError, UnicodeDecodeError) as error:
        raise _damaged(path) from error
    except OSError as error:
        if error.errno is None:  # bz2 raises it for invalid data
            raise _damaged(path) from error
        raise
    return _header(path, texts, frozenset(members))


def _read_member(path: Path, read: MemberReader, file: IO[bytes]) -> None:
    try:
        read(file)
    except ReplicationError as error:
        raise ReplicationError(f"{path}: {error}") from error


class _Limited(io.RawIOBase):
    """The decompressed bytes of a packet, at most `MAX_CONTENT`."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self._path = path
        self._left = MAX_CONTENT

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        found = self._file.read(size)
        self._left -= len(found)
        if self._left < 0:
            raise ReplicationError(
                f"{self._path} has over {MAX_CONTENT} bytes, so it is no packet of MusicBrainz"
            )
        return found


def _header(path: Path, texts: Mapping[str, str], members: frozenset[str]) -> PacketHeader:
    numbers: dict[str, int] = {}
    for name in _NUMBERS:
        text = texts.get(name)
        if text is None and name == "LAST_REPLICATION_SEQUENCE":
            continue
        if text is None or not re.fullmatch(r"\d{1,9}", text):
            raise ReplicationError(f"{path} has no valid file {name}, so it is no packet")
        numbers[name] = int(text)
    if not texts.get("TIMESTAMP"):
        raise ReplicationError(f"{path} has no valid file TIMESTAMP, so it is no packet")
    sequence = numbers["REPLICATION_SEQUENCE"]
    last = numbers.get("LAST_REPLICATION_SEQUENCE", sequence)
    if last != sequence:
        raise ReplicationError(
            f"{path} bundles the packets {sequence} to {last}: give the packets of each hour"
        )
    return PacketHeader(numbers["SCHEMA_SEQUENCE"], sequence, texts["TIMESTAMP"], members)


def _damaged(path: Path) -> ReplicationError:
    return ReplicationError(f"{path} is cut or damaged: copy or download it again")
