"""A backup to a disk that becomes full."""

import os
from pathlib import Path

import pytest

from cli.commands.data.backup import backup
from cli.exit_status import ExitStatus
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint
from tests.support.clients.admin_commands import command_runner
from tests.system.test_full_disks import small_disk

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a tmpfs")


@pytest.mark.parametrize("arguments", [("disk/backups",), ("--to", "disk/backup.tar")])
def test_a_full_disk_is_reported_and_gets_its_space_back(
    arguments: tuple[str, ...],
    settings: Settings,
    databases: Databases,
    index_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    importer = Importer(databases, index_path)
    importer.receive([importer.receipt(fingerprint(seed)) for seed in range(500)])
    run = command_runner(backup, settings, tmp_path, monkeypatch)
    with small_disk(tmp_path / "disk", 1) as disk:
        result = run(*arguments)
        assert result.exit_code == ExitStatus.FAILED
        assert "No space left on device: free some space, or give another path" in result.stderr
        found = [path.name for path in disk.rglob("*") if path.name != "backups"]
        assert found in ([], [".backup.lock"])
