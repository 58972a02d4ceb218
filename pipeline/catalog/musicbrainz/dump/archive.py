"""A dump's archive, read as a stream. Nothing is unpacked to a disk."""

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

from pipeline.catalog.musicbrainz.dump.dump_format import FOLDER, STATE_FILES, TABLES
from pipeline.catalog.musicbrainz.dump.errors import DumpError
from pipeline.catalog.musicbrainz.dump.source import CountedFile, Entry, Readable

DOWNLOAD: Final = "download it again, and compare it with the file SHA256SUMS beside it"

_PIECE: Final = 1 << 20  # bytes of one read of the unpacked stream
_LONGEST_HEADER: Final = 4 * _PIECE  # bytes between two members, including one piece read ahead
_LONGEST_PADDING: Final = 16 * _PIECE  # bytes after the last member
_END: Final = 1024  # POSIX: an archive ends with two blocks of zeros

_DECOMPRESSORS: Final[Mapping[bytes, Callable[[Any], Any]]] = MappingProxyType(
    {
        b"BZh": bz2.BZ2File,
        b"\xfd7zXZ\x00": lzma.LZMAFile,
        b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    }
)
"""The class that reads a compressed file, by the first bytes of the file."""

_DAMAGED: Final = (EOFError, OSError, lzma.LZMAError, zlib.error, tarfile.TarError)


@dataclass(frozen=True, slots=True)
class DumpArchive:
    """``mbdump.tar.bz2``; also with another compression, or none.

    Attributes:
        path: the file.
    """

    path: Path
    needs_state: bool = True
    repair: str = DOWNLOAD

    @property
    def size(self) -> int:
        """Bytes of the archive."""
        return self.path.stat().st_size

    def entries(self, progress: Callable[[int], None]) -> Iterator[Entry]:
        """Yield the files. See `DumpSource`.

        Raises:
            DumpError: the archive is cut or damaged, has a link, a special file or a path that
                leaves its folder, or is no tar archive.
        """
        with self.path.open("rb") as raw:
            decompressor = _decompressor(raw.read(8))
            raw.seek(0)
            unpacked = decompressor(CountedFile(raw, progress))
            stream = _Stream(self.path, unpacked)
            with closing(self._open(stream)) as archive:
                end = yield from self._members(archive, stream)
            stream.read_end(end)

    def _open(self, stream: "_Stream") -> tarfile.TarFile:
        with stream.explained(_LONGEST_HEADER):
            # tarfile uses nothing but `read` of the file of a stream.
            return tarfile.open(fileobj=cast("Any", stream), mode="r|", bufsize=_PIECE)

    def _members(self, archive: tarfile.TarFile, stream: "_Stream") -> Generator[Entry, None, int]:
        """Yield the files, and return the place after the last member."""
        end = 0
        while True:
            with stream.explained(_LONGEST_HEADER):
                member = archive.next()
            if member is None:
                return end
            end = member.offset_data + member.size + -member.size % tarfile.BLOCKSIZE
            archive.members = []  # type: ignore[attr-defined] # it would keep all
            if member.isdir():
                continue
            name = self._name(member)
            with stream.explained():
                content = _Content(archive.extractfile(member), stream)
            if name is not None:
                yield Entry(name, member.size, content, f"{self.path}:{member.name[:200]}")
            content.skip()

    def _name(self, member: tarfile.TarInfo) -> str | None:
        """Return the name of the table or of the state file of a member; None to skip it."""
        shown = f"{self.path}: the member {member.name[:200]!r}"
        parts = member.name.removeprefix("./").split("/")
        if member.name.startswith("/") or ".." in parts:
            raise DumpError(f"{shown} is outside of the archive's folder: this is no dump")
        if member.type not in {tarfile.REGTYPE, tarfile.AREGTYPE} or member.issparse():
            raise DumpError(f"{shown} is a link or a special file: this is no dump")
        if len(parts) == 1 and parts[0] in STATE_FILES:
            return parts[0]
        is_table = len(parts) == 2 and parts[0] == FOLDER and parts[1] in TABLES
        return parts[1] if is_table else None


class _Content:
    """The content of a member."""

    def __init__(self, file: Any, stream: "_Stream") -> None:  # noqa: ANN401 - tarfile has no type
        self._file = file
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""
        with self._stream.explained():
            return bytes(self._file.read(size))

    def skip(self) -> None:
        """Read the rest. tarfile would read it with the header of the next member."""
        while self.read(_PIECE):
            pass


class _Stream:
    """The unpacked archive.

    Args:
        path: the file, for errors.
        file: the unpacked bytes.
    """

    def __init__(self, path: Path, file: Readable) -> None:
        self._path = path
        self._file = file
        self._limit: int | None = None
        self._size = 0
        self._filled = 0  # the place after the last byte that is not zero

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""
        if self._limit is not None:
            self._limit -= size
            if self._limit < 0:
                raise DumpError(f"{self._path} has a header of over {_LONGEST_HEADER} bytes")
        piece = self._file.read(size)
        filled = len(piece.rstrip(b"\0"))
        if filled:
            self._filled = self._size + filled
        self._size += len(piece)
        return piece

    def read_end(self, end: int) -> None:
        """Read what follows the last member, which is nothing but zeros.

        tarfile takes a damaged header for the end of an archive.

        Args:
            end: the place after the last member.

        Raises:
            DumpError: the archive has no end, or other data there.
        """
        with self.explained(_LONGEST_PADDING):
            while self.read(_PIECE):
                pass
        if self._filled > end:
            raise DumpError(f"{self._path} is damaged after {end} unpacked bytes: {DOWNLOAD}")
        if self._size < end + _END:
            raise DumpError(f"{self._path} is cut: {DOWNLOAD}")

    @contextmanager
    def explained(self, limit: int | None = None) -> Iterator[None]:
        """Replace an error of a damaged archive by one that names the archive.

        Args:
            limit: bytes that may be read in the block.
        """
        self._limit = limit
        try:
            yield
        except _DAMAGED as error:
            raise DumpError(f"{self._path} is cut or damaged ({error}): {DOWNLOAD}") from error


def _decompressor(start: bytes) -> Callable[[Any], Any]:
    for magic, found in _DECOMPRESSORS.items():
        if start.startswith(magic):
            return found
    return lambda file: file
