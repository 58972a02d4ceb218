"""An index server in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from falcon import testing

from index_server.http.app import create_app
from index_server.indexes import Indexes
from index_server.metrics import Metrics


@pytest.fixture
def indexes(tmp_path: Path, metrics: Metrics) -> Iterator[Indexes]:
    """The server's indexes: none."""
    indexes = Indexes(tmp_path, metrics)
    yield indexes
    indexes.close()


@pytest.fixture
def metrics() -> Metrics:
    """The server's metrics."""
    return Metrics()


@pytest.fixture
def http(indexes: Indexes, metrics: Metrics) -> testing.TestClient:
    """A client of it."""
    return testing.TestClient(create_app(indexes, metrics))
