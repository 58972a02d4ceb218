"""Finds the backup to restore."""

from pathlib import Path

from cli.backup.manifest import NAME, ManifestError
from cli.backup.opened import OpenedBackup, open_backup
from cli.backup.retention import complete_backups


def find_backup(path: Path) -> OpenedBackup:
    """Return the backup at a path, or the newest complete one of a folder with several.

    Raises:
        ManifestError: there is no complete backup.
        OSError: it cannot be read.
    """
    if not path.is_dir() or (path / NAME).exists():
        return open_backup(path)
    found = complete_backups(path)
    if not found:
        raise ManifestError(f"{path} has no complete backup: give a folder of `acoustid backup`")
    return found[0]
