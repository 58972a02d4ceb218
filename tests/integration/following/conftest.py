"""Fixtures: an index server, and an index on it."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from bench.index.server import IndexServer
from cli.stack.servers.ports import LOOPBACK
from pipeline.index_http import updater
from pipeline.settings.sections import FingerprintIndexSettings
from tests.support.processes.index_server import running_index_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IndexServer]:
    with running_index_server(tmp_path_factory.mktemp("index-server")) as server:
        yield server


@pytest.fixture
def place(
    server: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FingerprintIndexSettings:
    """A new index for each test, which is created without a delay: only its readers need one."""
    monkeypatch.setattr(updater, "CREATE_DELAY", 0.0)
    return FingerprintIndexSettings(
        protocol="http",
        host=LOOPBACK,
        port=server.port,
        name=uuid4().hex,
        path=tmp_path / "untouched",
    )
