"""Fixtures of the commands that administer a service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.access.keys import ApiKeys
from api.access.redis_outage import RedisCircuitBreaker
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tests.support.clients.admin_commands import Run, command_runner
from tests.support.polling import eventually
from tests.support.subscribers import subscribers


@pytest.fixture
def run(
    request: pytest.FixtureRequest,
    settings: Settings,
    databases: Databases,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Return a function that runs the module's `COMMAND` on the servers of the test."""
    del databases  # emptied
    return command_runner(request.module.COMMAND, settings, tmp_path, monkeypatch)


@pytest.fixture
def front_end(settings: Settings, databases: Databases) -> Iterator[ApiKeys]:
    """The keys of a front-end process that runs during the whole test and caches them."""
    with connect(settings.redis) as client:
        client.flushdb()
        before = subscribers(client)
        made = ApiKeys(databases, client, RedisCircuitBreaker(), demo=False)
        made.applications.find("warm up")
        eventually(lambda: subscribers(client) - before)
        yield made
        made.close()
