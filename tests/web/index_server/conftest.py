"""An index server in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from falcon import testing

from index_server.http.app import create_app
from index_server.metrics import IndexServerMetrics
from index_server.registry import IndexRegistry


@pytest.fixture
def indexes(tmp_path: Path, metrics: IndexServerMetrics) -> Iterator[IndexRegistry]:
    """The server's indexes: none."""
    indexes = IndexRegistry(tmp_path, metrics)
    yield indexes
    indexes.close()


@pytest.fixture
def metrics() -> IndexServerMetrics:
    """The server's metrics."""
    return IndexServerMetrics()


@pytest.fixture
def http(indexes: IndexRegistry, metrics: IndexServerMetrics) -> testing.TestClient:
    """A client of it."""
    return testing.TestClient(create_app(indexes, metrics))
