"""The application of an index server in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from falcon import testing

from index_server.http.app import create_app
from index_server.prometheus_metrics import IndexServerMetrics
from index_server.registry import IndexRegistry


@pytest.fixture
def indexes(tmp_path: Path, metrics: IndexServerMetrics) -> Iterator[IndexRegistry]:
    """The registry of a server without indexes."""
    indexes = IndexRegistry(tmp_path, metrics)
    yield indexes
    indexes.close()


@pytest.fixture
def metrics() -> IndexServerMetrics:
    """The metrics of the server."""
    return IndexServerMetrics()


@pytest.fixture
def http(indexes: IndexRegistry, metrics: IndexServerMetrics) -> testing.TestClient:
    """An HTTP client of the application."""
    return testing.TestClient(create_app(indexes, metrics))
