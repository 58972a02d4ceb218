"""A real NATS server, and ingest loops on real databases."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from bench.nats.server import NatsServer
from tests.integration.nats_bridge.ingest.site import Site
from tests.support.fixtures import Script
from tests.support.processes.nats_server import running_nats_server

if TYPE_CHECKING:
    from pathlib import Path

PAUSES = {
    "FETCH_TIME": 0.1,
    "EMPTY_TIME": 0.1,
    "FIRST_PAUSE": 0.1,
    "ROOM_PAUSE": 0.02,
    "ALONE_PAUSE": 0.2,
}


@pytest.fixture(scope="module")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """A server for the tests of a module. Each test has a stream of its own."""
    folder: Path = tmp_path_factory.mktemp("nats")
    with running_nats_server(folder) as server:
        yield server


@pytest.fixture
def site(
    nats_server: NatsServer, with_script: Script, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """An empty stream, the keys of an application and a user, and short pauses."""
    for name, seconds in PAUSES.items():
        monkeypatch.setattr(f"nats_bridge.ingest.ingest_loop.{name}", seconds)
    made = Site(nats_server, with_script)
    yield made
    made.close()
