"""A backup that several tests read."""

from pathlib import Path

import pytest

from cli.commands.data.backup import backup
from pipeline.settings.sections import Settings
from tests.support.clients.admin_commands import command_runner


@pytest.fixture(scope="session")
def made_backup(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the databases of the tests in a folder, whatever they contain."""
    folder = tmp_path_factory.mktemp("backup")
    with pytest.MonkeyPatch.context() as patch:
        result = command_runner(backup, settings, folder, patch)(folder / "backups")
    assert result.exit_code == 0, result.stderr
    return Path(result.stdout.strip())
