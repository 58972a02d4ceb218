"""A service on the servers of the tests, which are not those of `acoustid up`, and its backups."""

from pathlib import Path

import pytest

from cli.commands.data.backup import backup
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.clients.admin_commands import Run, command_runner


@pytest.fixture
def run_backup(
    settings: Settings, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Return a function that runs `acoustid backup` with arguments in a temporary folder."""
    del databases  # emptied
    return command_runner(backup, settings, tmp_path, monkeypatch)
