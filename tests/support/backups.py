"""A service on the servers of the tests, which are not those of `acoustid up`, and its backups."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from cli.commands.data.backup import backup
from pipeline.catalog import migrate
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.clients.admin_commands import Run, command_runner
from tests.support.processes.servers import Servers
from tests.support.processes.workers import write_config

SUFFIX = "_restored"


@pytest.fixture
def run_backup(
    settings: Settings, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Return a function that runs `acoustid backup` with arguments in a temporary folder."""
    del databases  # emptied
    return command_runner(backup, settings, tmp_path, monkeypatch)


@pytest.fixture
def restore_target(servers: Servers) -> Iterator[Settings]:
    """Settings of four databases that do not exist."""
    settings = servers.settings(SUFFIX)
    drop(settings)
    yield settings
    drop(settings)


def drop(settings: Settings) -> None:
    for database in migrate.database_settings(settings).values():
        url = database.url().set(database="postgres")
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.execute(sa.text(f'DROP DATABASE IF EXISTS "{database.name}" WITH (FORCE)'))


@pytest.fixture
def restore_config(restore_target: Settings, tmp_path: Path) -> Path:
    """A configuration with the hosts of all servers."""
    return write_config(restore_target, tmp_path / "own.conf")
