"""Finds the backup to restore."""

from pathlib import Path

from cli.backup.manifest import NAME, ManifestError
from cli.backup.opened import OpenedBackup, open_backup


def find_backup(path: Path) -> OpenedBackup:
    """Return the backup at a path, or the newest complete one of a folder with several.

    Raises:
        ManifestError: there is no complete backup, or one of them has a damaged manifest.
        OSError: it cannot be read.
    """
    if not path.is_dir() or (path / NAME).exists():
        return open_backup(path)
    found = [
        open_backup(folder)
        for folder in sorted(path.iterdir())
        if not folder.name.startswith(".") and (folder / NAME).is_file()
    ]
    if not found:
        raise ManifestError(f"{path} has no complete backup: give a folder of `acoustid backup`")
    return max(found, key=lambda each: each.manifest.created)
