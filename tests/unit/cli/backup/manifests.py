"""Manifests of small backups whose four databases are one."""

from collections.abc import Mapping
from datetime import datetime

from cli.backup.manifest import ORDER, BackupManifest, Counts, DatabaseDump, StoredFile


def manifest(
    created: datetime, files: Mapping[str, StoredFile], service: str = "1:2"
) -> BackupManifest:
    """Return the manifest of a backup; the first file is the dump of all databases."""
    dump = DatabaseDump(
        names=ORDER,
        file=next(iter(files)),
        database="a",
        revisions=dict.fromkeys(ORDER, "1"),
        server_version=180001,
        dumped_by=18,
        snapshot=created,
    )
    return BackupManifest(created, "1.0", service, (dump,), files, Counts(1, 2, 3))
