"""What every room of the tests can ask for."""

from collections.abc import Iterator

import pytest

from pipeline.catalog import migrate
from pipeline.runtime.settings import Settings
from tests.servers import Servers, running_servers


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """PostgreSQL and Valkey of this test session's own."""
    with running_servers() as started:
        yield started


@pytest.fixture(scope="session")
def settings(servers: Servers) -> Settings:
    """Settings for the session's servers, with four migrated databases."""
    settings = servers.settings()
    migrate.create_missing(settings)
    migrate.upgrade_all(settings)
    return settings
