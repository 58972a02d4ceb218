"""The folder of an export: who may write it, and its manifest while it is written.

During a run the manifest says that the export is not complete. It has the files that stay, and
those that are finished. So whenever a run is killed, the next one can tell which files are whole.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from pipeline.data_files import private_tables
from pipeline.data_files.file_names import LOCK_NAME, parse_file_name
from pipeline.data_files.manifest import NAME as MANIFEST_NAME
from pipeline.data_files.manifest import FileEntry, Manifest, read_manifest
from pipeline.data_files.private_tables import private_table
from pipeline.export.errors import ExportRefusedError
from pipeline.export.output_file import PREFIX, DataFileWriter, data_file, write_text
from pipeline.storage import files

_SAVE_INTERVAL: Final = 10.0
"""Seconds between two writes of the manifest during a run."""

_SHOWN: Final = 3
"""Names in a message."""

_PUBLIC_MODE: Final = 0o666
"""The umask restricts it, as for other programs: public files may be published."""

_PRIVATE_MODE: Final = 0o600


class ExportFolder:
    """The folder of an export, locked by this process.

    Args:
        path: the folder, which exists.
        manifest: the manifest of the last run; None in an empty folder.

    Attributes:
        path: the same folder.
        manifest: the same manifest.
    """

    def __init__(self, path: Path, manifest: Manifest | None) -> None:
        self.path = path
        self.manifest = manifest
        self._files = dict(manifest.files) if manifest else {}
        self._running: Manifest | None = None
        self._leftovers: list[Path] = []
        self._unsynced: set[Path] = set()
        self._saved = 0.0

    def check(self, database: str, *, is_private: bool) -> None:
        """Find out whether an export of a database may be written here.

        Args:
            database: the identity of the fingerprint database.
            is_private: whether the export is private.

        Raises:
            ExportRefusedError: the folder has another export, or files that no export names.
        """
        self._leftovers = self._unnamed_files()
        if self.manifest is None:
            return
        if self.manifest.database != database:
            raise ExportRefusedError(
                f"{self.path} has the export of another database: give another folder"
            )
        if self.manifest.is_private and not is_private:
            raise ExportRefusedError(
                f"{self.path} has an export with private data: give --private, or another folder"
            )
        if is_private and not self.manifest.is_private:
            raise ExportRefusedError(
                f"{self.path} has an export without private data, which may be published: "
                "give another folder for --private"
            )

    def present(self) -> set[str]:
        """Return the names of the manifest whose files are there with the size of their entry."""
        return {
            name for name, entry in self._files.items() if _size(self.path / name) == entry.size
        }

    def begin(self, manifest: Manifest) -> None:
        """Write that a run has begun, and which files stay. The other ones are not named any more.

        Raises:
            OSError: the disk is full or failing.
        """
        dropped = self._files.keys() - manifest.files.keys()
        self._leftovers += [self.path / name for name in sorted(dropped)]
        self._files = dict(manifest.files)
        self._running = replace(manifest, is_complete=False)
        self._save(self._running)

    @contextmanager
    def writing(self, name: str) -> Iterator[DataFileWriter]:
        """Write a file in a block. Call `add` after it.

        Args:
            name: its path below the folder.

        Raises:
            OSError: the disk is full or failing; there is no new file then.
        """
        path = self.path / name
        is_private = private_table(name) is not None
        _make_folder(path.parent, 0o700 if is_private else 0o777)
        with data_file(path, _PRIVATE_MODE if is_private else _PUBLIC_MODE) as writer:
            yield writer
        self._unsynced.add(path.parent)

    def add(self, name: str, entry: FileEntry) -> None:
        """Add a finished file to the manifest, which is written now and then."""
        self._files[name] = entry
        if self._running and time.monotonic() - self._saved >= _SAVE_INTERVAL:
            self._save(self._running)

    def complete(self, manifest: Manifest) -> None:
        """Remove files that the export has no more, then write that it is complete.

        Args:
            manifest: the manifest of the run; its files are those of `begin` and `add`.

        Raises:
            OSError: the disk is full or failing.
        """
        for path in self._leftovers:
            if str(path.relative_to(self.path)) not in self._files and path.is_file():
                files.remove(path)
                self._unsynced.add(path.parent)
        self._save(replace(manifest, is_complete=True))
        self._running = None

    def interrupt(self) -> None:
        """Write the finished files of an interrupted run, so that the next one keeps them."""
        if self._running:
            with suppress(OSError):  # the disk may be full, and the error is reported already
                self._save(self._running)

    def _save(self, manifest: Manifest) -> None:
        for folder in sorted(self._unsynced):
            files.sync_directory(folder)
        self._unsynced.clear()
        text = replace(manifest, files=self._files).to_json()
        write_text(self.path / MANIFEST_NAME, text, _PUBLIC_MODE)
        self._saved = time.monotonic()

    def _unnamed_files(self) -> list[Path]:
        """Return the data files that the manifest does not name: those of a run that was killed.

        Raises:
            ExportRefusedError: this service did not write them.
        """
        is_cut = self.manifest is not None and not self.manifest.is_complete
        found: list[Path] = []
        foreign: list[str] = []
        for path in _data_files(self.path):
            name = str(path.relative_to(self.path))
            if name in self._files:
                continue
            if is_cut and _is_written_here(name):
                found.append(path)
            else:
                foreign.append(name)
        if foreign:
            raise ExportRefusedError(
                f"{self.path} has files that its manifest does not name "
                f"({_listed(foreign)}): move them to another folder"
            )
        return found


@contextmanager
def open_folder(path: Path) -> Iterator[ExportFolder]:
    """Create and lock a folder, and remove what killed runs wrote partly.

    Raises:
        ExportRefusedError: it has other files, or another process exports into it.
        ManifestError: its manifest is damaged or has another version.
        OSError: it can't be read or written.
    """
    if path.exists() and not path.is_dir():
        raise ExportRefusedError(f"{path} is no folder: give another name")
    _make_folder(path, 0o777)
    _refuse_other_files(path)
    lock = _lock(path)
    try:
        manifest = read_manifest(path)
        _remove_partial_files(path)
        folder = ExportFolder(path, manifest)
        try:
            yield folder
        except BaseException:
            folder.interrupt()
            raise
    finally:
        files.unlock(lock)


def _lock(path: Path) -> int:
    found = files.lock(path / LOCK_NAME)
    if found is None:
        raise ExportRefusedError(
            f"another process exports into {path}: wait for its end, or give another folder"
        )
    return found


def _refuse_other_files(path: Path) -> None:
    """Refuse a folder without a manifest that has files."""
    if (path / MANIFEST_NAME).exists():
        return
    own = {LOCK_NAME, PREFIX + MANIFEST_NAME}
    names = sorted(each.name for each in path.iterdir() if each.name not in own)
    if names:
        raise ExportRefusedError(
            f"{path} has other files ({_listed(names)}) and no {MANIFEST_NAME}: "
            "give a new folder, or that of an earlier export"
        )


def _data_files(path: Path) -> Iterator[Path]:
    """Yield the files below a folder that have the name of a data file."""
    for pattern in ("*.jsonl.gz", "*/*/*.jsonl.gz", f"{private_tables.FOLDER}/*.jsonl.gz"):
        for each in sorted(path.glob(pattern)):
            name = str(each.relative_to(path))
            if parse_file_name(name) or private_table(name):
                yield each


def _is_written_here(name: str) -> bool:
    """Return whether an export writes a data file of this name."""
    parsed = parse_file_name(name)
    return parsed is None or str(parsed) == name


def _remove_partial_files(path: Path) -> None:
    for pattern in (f"{PREFIX}*", f"*/*/{PREFIX}*", f"{private_tables.FOLDER}/{PREFIX}*"):
        for each in path.glob(pattern):
            name = str(each.with_name(each.name.removeprefix(PREFIX)).relative_to(path))
            if name == MANIFEST_NAME or parse_file_name(name) or private_table(name):
                files.remove(each)


def _size(path: Path) -> int | None:
    """Return the bytes of a file; None if there is none."""
    return path.stat().st_size if path.is_file() else None


def _make_folder(path: Path, mode: int) -> None:
    """Create a folder and its parents, durably."""
    if path.is_dir():
        return
    _make_folder(path.parent, 0o777)
    path.mkdir(mode, exist_ok=True)
    files.sync_directory(path.parent)


def _listed(names: list[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
