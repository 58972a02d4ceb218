"""Reads a backup, a folder or one tar file, and checks it against its manifest."""

import hashlib
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from cli.backup.manifest import NAME, BackupManifest, ManifestError, parse_manifest

CHUNK: Final = 2**20
"""Bytes that are read at once."""

_LARGEST_MANIFEST: Final = 2**24

Advance = Callable[[int], object]
"""Called with a number of bytes that were read or written."""


class BackupDamagedError(ValueError):
    """A member is missing, or differs from the manifest. The message names it."""


@dataclass(frozen=True, slots=True)
class OpenedBackup:
    """A complete backup.

    Attributes:
        path: the folder or the tar file.
        manifest: its manifest.
    """

    path: Path
    manifest: BackupManifest
    _places: dict[str, tuple[int, int]] | None = field(default=None, repr=False)
    """Offset and size in bytes of each member of the tar file; None for a folder."""

    def file(self, name: str) -> Path | None:
        """Return the path of a member; None if it lies in a tar file."""
        return self.path / name if self._places is None else None

    @contextmanager
    def open(self, name: str) -> Iterator["MemberReader"]:
        """Open a member.

        Raises:
            BackupDamagedError: it is missing.
            OSError: it can't be read.
        """
        offset, size = self._place(name)
        try:
            file = (self.file(name) or self.path).open("rb")
        except FileNotFoundError as error:
            raise BackupDamagedError(f"{self.path}: {name} is missing") from error
        with file:
            file.seek(offset)
            yield MemberReader(file, size)

    def read(self, name: str) -> bytes:
        """Return the content of a small member, checked.

        Raises:
            BackupDamagedError, OSError: as by `copy`.
        """
        parts: list[bytes] = []
        self.copy(name, parts.append)
        return b"".join(parts)

    def copy(self, name: str, write: Callable[[bytes], object]) -> None:
        """Read a member through, and check size and checksum.

        Args:
            name: the member.
            write: called with each part of the content, before the checks.

        Raises:
            BackupDamagedError: it is missing, or differs from the manifest.
            OSError: it can't be read.
        """
        expected = self.manifest.files[name]
        digest, size = hashlib.sha256(), 0
        with self.open(name) as reader:
            while part := reader.read(CHUNK):
                digest.update(part)
                size += len(part)
                write(part)
        if size != expected.size:
            raise BackupDamagedError(
                f"{self.path}: {name} has {size} bytes, and its manifest says {expected.size}"
            )
        if digest.hexdigest() != expected.sha256:
            raise BackupDamagedError(f"{self.path}: the checksum of {name} is wrong")

    def verify(self, advance: Advance) -> None:
        """Read all members through, and check sizes and checksums.

        Raises:
            BackupDamagedError, OSError: as by `copy`.
        """
        for name in self.manifest.files:
            self.copy(name, lambda part: advance(len(part)))

    def _place(self, name: str) -> tuple[int, int | None]:
        if self._places is None:
            return 0, None
        if name not in self._places:
            raise BackupDamagedError(f"{self.path}: {name} is missing")
        return self._places[name]


class MemberReader:
    """Reads a member from its start to its end.

    Args:
        file: the open file, at the start of the member.
        size: bytes of the member; None up to the end of the file.
    """

    def __init__(self, file: BinaryIO, size: int | None) -> None:
        self._file = file
        self._left = size

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`; none at the end."""
        if self._left is None:
            return self._file.read(size)
        part = self._file.read(min(size, self._left))
        self._left -= len(part)
        return part


def open_backup(path: Path) -> OpenedBackup:
    """Return the backup at a path.

    Args:
        path: a folder with ``backup.json``, or a tar file.

    Raises:
        ManifestError: it is not a complete backup; the message says why.
        OSError: it can't be read.
    """
    if path.is_dir():
        return OpenedBackup(path, _manifest_of_folder(path))
    places = _places(path)
    if NAME not in places:
        raise ManifestError(f"{path} is not a complete backup: it has no {NAME}")
    offset, size = places[NAME]
    if size > _LARGEST_MANIFEST:
        raise ManifestError(f"{path} has a {NAME} of {size} bytes: use another backup")
    with path.open("rb") as file:
        file.seek(offset)
        return OpenedBackup(path, parse_manifest(file.read(size), str(path)), places)


def _manifest_of_folder(folder: Path) -> BackupManifest:
    try:
        with (folder / NAME).open("rb") as file:
            text = file.read(_LARGEST_MANIFEST)
    except FileNotFoundError as error:
        raise ManifestError(f"{folder} is not a complete backup: it has no {NAME}") from error
    return parse_manifest(text, str(folder))


def _places(path: Path) -> dict[str, tuple[int, int]]:
    """Return offset and size of each regular file in an uncompressed tar file."""
    try:
        with tarfile.open(path, "r:") as archive:
            return {each.name: (each.offset_data, each.size) for each in archive if each.isreg()}
    except tarfile.TarError as error:
        raise ManifestError(
            f"{path} is no backup, or is cut: give a folder or a file that `acoustid backup` wrote"
        ) from error
