"""Reads a backup through without writing anything."""

from pathlib import Path

from tqdm import tqdm

from cli.backup.opened import OpenedBackup
from cli.backup.restoring.databases import require_known_schemas
from cli.backup.restoring.pg_restore import Dump, find_pg_restore


def check_backup(backup: OpenedBackup, postgres_bin: Path | None) -> None:
    """Check all checksums, and read all dumps with ``pg_restore``.

    Args:
        backup: the backup.
        postgres_bin: the directory of PostgreSQL's programs; None to search for them.

    Raises:
        StackError: this version cannot restore it, or ``pg_restore`` cannot read a dump.
        BackupDamagedError, OSError: a file is missing or damaged, or cannot be read.
    """
    manifest = backup.manifest
    require_known_schemas(manifest)
    program = find_pg_restore(manifest, postgres_bin)
    dumps = {each.file for each in manifest.dumps}
    with tqdm(
        total=manifest.size(), unit="B", unit_scale=True, unit_divisor=1024, disable=None
    ) as bar:
        for name in manifest.files:
            if name in dumps:
                Dump(program, backup, name).read_through(bar.update)
            else:
                backup.copy(name, lambda part: bar.update(len(part)))
