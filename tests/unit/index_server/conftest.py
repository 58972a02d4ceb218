"""The folder of a server, and a snapshot of one of its indexes."""

import shutil
from pathlib import Path

import pytest

from index_server.registry import CreateRequest
from index_server.snapshot_stream import write_snapshot
from index_server.update_batching import UpdateRequest
from pipeline.index import Insert
from tests.unit.index.model import terms
from tests.unit.index_server.server_folder import opened


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a server with index `a` of generation 3 and a deleted index `gone`."""
    path = tmp_path_factory.mktemp("served")
    indexes = opened(path)
    for name in ("a", "gone"):
        index = indexes.create(name, CreateRequest(generation=3))
        index.update(UpdateRequest([Insert(1, terms(5))]))
    indexes.delete("gone")
    indexes.close()
    return path


@pytest.fixture(scope="module")
def snapshot(served: Path) -> bytes:
    """A snapshot of `a`."""
    indexes = opened(served)
    data = b"".join(write_snapshot(3, indexes.get("a").files()))
    indexes.close()
    return data


@pytest.fixture
def folder(served: Path, tmp_path: Path) -> Path:
    """A copy of the folder of the server."""
    return shutil.copytree(served, tmp_path / "copy")
