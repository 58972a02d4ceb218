"""Fixtures of all tests: servers, settings, databases, a path for an index."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.catalog import migrate
from pipeline.runtime.databases import Databases
from pipeline.settings.option_names import PREFIX
from pipeline.settings.sections import Settings
from pipeline.storage.format import LOCK_NAME
from tests.support.processes.servers import Servers, running_servers

pytest_plugins = ("tests.support.fixtures", "tests.support.backups")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of long tests: their duration, their number of repetitions, their seed."""
    parser.addoption(
        "--attack-seconds", type=float, default=15.0, help="duration of the attack on a server"
    )
    parser.addoption(
        "--stops", type=int, default=30, help="number of stops of an index server by SIGTERM"
    )
    parser.addoption(
        "--nats-seed", type=int, help="seed of the kills while messages arrive by NATS"
    )


def pytest_configure() -> None:
    """Remove the caller's configuration from the environment."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """PostgreSQL and Valkey for this test session only."""
    with running_servers() as started:
        yield started


@pytest.fixture(scope="session")
def settings(servers: Servers) -> Settings:
    """Settings for the session's servers, with four migrated databases."""
    settings = servers.settings()
    migrate.create_missing(settings)
    migrate.upgrade_all(settings)
    return settings


@pytest.fixture
def databases(settings: Settings) -> Iterator[Databases]:
    """The four databases and the settings' index and store, emptied."""
    empty(settings.fingerprint_index.path)
    empty(settings.fingerprint_store.path)
    databases = Databases(settings, component="tests")
    for name, metadata in migrate.METADATA.items():
        with databases.engine(name).begin() as connection:  # type: ignore[arg-type]
            tables = ", ".join(table.fullname for table in metadata.sorted_tables)
            connection.execute(sa.text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
    yield databases
    databases.dispose()


def empty(path: Path) -> None:
    """Delete an index or a store. Its position belongs to the old content of the databases."""
    for file in path.glob("*"):
        if file.is_dir():  # damaged files that were moved aside
            shutil.rmtree(file)
        elif file.name != LOCK_NAME:
            file.unlink()


@pytest.fixture
def index_path(tmp_path: Path) -> Path:
    """The path of an index that doesn't exist yet."""
    return tmp_path / "index"
