"""Finds the data files of a folder, and checks them against its manifest."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.bulk_import.files.errors import DataImportError
from pipeline.data_files import manifest as manifests
from pipeline.data_files.file_names import LOCK_NAME, DataFileName, parse_file_name
from pipeline.data_files.manifest import Manifest, ManifestError
from pipeline.data_files.private_tables import FOLDER as PRIVATE_FOLDER
from pipeline.data_files.tables import TABLES

_PIECE: Final = 1 << 20
_WRITE_AGAIN: Final = "write the export again, or copy it again"


@dataclass(frozen=True, slots=True)
class DataFile:
    """A data file.

    Attributes:
        path: where it is.
        name: its day and table.
        size: bytes.
        rows: the number of lines that its manifest says; None without a manifest.
    """

    path: Path
    name: DataFileName
    size: int
    rows: int | None = None

    @property
    def key(self) -> str:
        """The name under which its progress is stored: the same in all folders."""
        return str(self.name)


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The data files of a folder.

    Attributes:
        path: the folder.
        files: in the order in which they are imported: by table, then by day.
        other: the paths of other files below the folder.
        manifest: None for files of the public service.
    """

    path: Path
    files: tuple[DataFile, ...]
    other: tuple[str, ...]
    manifest: Manifest | None


def find_files(folder: Path) -> DataFolder:
    """Find the data files of a folder, and compare their names and sizes with its manifest.

    Raises:
        DataImportError: there are none, two have the same table and day, or the manifest does not
            agree.
        OSError: the folder can't be read.
    """
    try:
        manifest = manifests.read_manifest(folder)
    except ManifestError as error:
        raise DataImportError(str(error)) from error
    if manifest and not manifest.is_complete:
        raise DataImportError(
            f"the export in {folder} was not completed: run `acoustid export {folder}` again"
        )
    own = {manifests.NAME, LOCK_NAME}
    found: dict[str, DataFile] = {}
    other = []
    for path in _paths(folder):
        name = parse_file_name(path)
        if name is None:
            if path not in own and not path.startswith(f"{PRIVATE_FOLDER}/"):
                other.append(path)
            continue
        if not (folder / path).is_file():  # to open a pipe would wait for ever
            raise DataImportError(f"{folder / path} is not a file, or a link to none: remove it")
        file = DataFile(folder / path, name, (folder / path).stat().st_size, _rows(manifest, path))
        if file.key in found:
            raise DataImportError(
                f"{found[file.key].path} and {file.path} have the same table and day: remove one"
            )
        found[file.key] = file
    if manifest:
        _check_sizes(folder, manifest, found)
    elif not found:
        raise DataImportError(
            f"{folder} has no data files, such as 2026/2026-12/2026-12-01-track-update.jsonl.gz"
        )
    order = {table: place for place, table in enumerate(TABLES)}
    files = sorted(found.values(), key=lambda each: (order[each.name.table], each.name.day))
    return DataFolder(folder, tuple(files), tuple(sorted(other)), manifest)


def _paths(folder: Path) -> Iterator[str]:
    """Yield the paths of all files and links below a folder, relative to it, with slashes."""
    for directory, folders, names in os.walk(folder, onerror=_raise):
        # Named, since they are not read: a link to a folder, and a folder with the name of a file.
        unread = [
            each
            for each in folders
            if each.endswith(".jsonl.gz") or (Path(directory) / each).is_symlink()
        ]
        for name in (*names, *unread):
            yield (Path(directory) / name).relative_to(folder).as_posix()


def _raise(error: OSError) -> None:
    raise error


def _rows(manifest: Manifest | None, path: str) -> int | None:
    entry = manifest.files.get(path) if manifest else None
    return entry.rows if entry else None


def _check_sizes(folder: Path, manifest: Manifest, found: dict[str, DataFile]) -> None:
    by_path = {each.path: each for each in found.values()}
    for path, entry in manifest.files.items():
        if parse_file_name(path) is None:
            continue
        file = by_path.pop(folder / path, None)
        if file is None:
            raise DataImportError(f"{folder / path} is missing: {_WRITE_AGAIN}")
        if file.size != entry.size:
            raise DataImportError(
                f"{file.path} has {file.size} bytes, and {entry.size} in {manifests.NAME}: "
                f"{_WRITE_AGAIN}"
            )
    if by_path:
        raise DataImportError(
            f"{min(by_path)} is not in {manifests.NAME}: remove it, or the manifest"
        )


def digests(folder: DataFolder, progress: Callable[[int], object]) -> dict[str, bytes]:
    """Return the SHA-256 of each file by its key, and compare them with the manifest.

    Args:
        folder: the files.
        progress: is called with the number of bytes of each piece that was read.

    Raises:
        DataImportError: a file has another checksum in the manifest.
        OSError: a file can't be read.
    """
    found = {}
    for file in folder.files:
        digest = file_digest(file.path, progress)
        if folder.manifest:
            path = file.path.relative_to(folder.path).as_posix()
            if folder.manifest.files[path].sha256 != digest.hex():
                raise DataImportError(
                    f"{file.path} has another SHA-256 in {manifests.NAME}: {_WRITE_AGAIN}"
                )
        found[file.key] = digest
    return found


def file_digest(path: Path, progress: Callable[[int], object] = bool) -> bytes:
    """Return the SHA-256 of a file.

    Raises:
        OSError: it can't be read.
    """
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            sha.update(piece)
            progress(len(piece))
    return sha.digest()
