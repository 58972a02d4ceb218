"""Deletes the older backups of a folder (``--keep``), and nothing else."""

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from cli.backup.manifest import NAME, ManifestError
from cli.backup.opened import OpenedBackup, open_backup
from cli.backup.target import FOLDER_NAME, PARTIAL
from pipeline.storage import files


def complete_backups(parent: Path, service: str | None = None) -> list[OpenedBackup]:
    """Return the complete backups in a folder, the newest one first.

    A backup is complete if its folder has the files of its manifest with their sizes, and no
    others. Links to folders do not count.

    Args:
        parent: the folder of backups.
        service: the identity of a service; None for any.
    """
    found = [each for each in _backups(parent) if service in (None, each.manifest.service)]
    return sorted(found, key=lambda each: (each.manifest.created, each.path.name), reverse=True)


def delete_older(parent: Path, newest: Path, service: str, keep: int) -> Iterator[Path]:
    """Delete the complete backups of a service but the newest ones; yield each deleted path.

    A backup loses its name before its files are deleted. The caller has the lock of the folder.

    Args:
        parent: the folder of backups.
        newest: the backup that was just written, which stays.
        service: the identity of the service. Those of others stay.
        keep: how many backups stay, at least 1.

    Raises:
        OSError: a backup cannot be deleted.
    """
    others = [each.path for each in complete_backups(parent, service) if each.path != newest]
    for path in others[keep - 1 :]:
        partial = path.with_name(PARTIAL + path.name)
        files.replace(path, partial)
        files.sync_directory(parent)
        shutil.rmtree(partial)
        yield path


def _backups(parent: Path) -> Iterator[OpenedBackup]:
    for path in parent.iterdir():
        if FOLDER_NAME.fullmatch(path.name) and not path.is_symlink() and path.is_dir():
            try:
                found = open_backup(path)
                if _sizes(path) == _expected(found):
                    yield found
            except (ManifestError, OSError):
                continue


def _sizes(folder: Path) -> dict[str, int | None]:
    """Return the size of each file but the manifest; None for anything else than a file."""
    found = {path.name: path.lstat() for path in folder.iterdir() if path.name != NAME}
    return {
        name: each.st_size if stat.S_ISREG(each.st_mode) else None for name, each in found.items()
    }


def _expected(backup: OpenedBackup) -> dict[str, int | None]:
    return {name: each.size for name, each in backup.manifest.files.items()}
