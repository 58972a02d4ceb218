"""The check of an index server against brute force."""

from collections.abc import Iterator
from pathlib import Path

import msgpack
import numpy as np
import pytest
from falcon import testing

from bench.index.check.command import check_server
from bench.index.check.interrupted_requests import check_content
from bench.index.check.operations import CheckCounts, CheckedServer
from bench.index.check.shapes import new_terms
from bench.index.server import IndexServer, Reply
from index_server.http.app import create_app
from index_server.prometheus_metrics import IndexServerMetrics
from index_server.registry import IndexRegistry

DOCUMENTS = 40
MSGPACK = "application/vnd.msgpack"
SEED = 3  # many searches have more than 10,000 postings


class ServerInProcess(IndexServer):
    """The application of an index server, without a process of its own."""

    def __init__(self, indexes: IndexRegistry, folder: Path) -> None:
        super().__init__(folder)
        self._client = testing.TestClient(create_app(indexes, IndexServerMetrics()))

    def request(self, method: str, path: str, body: object = None) -> Reply:
        """Send a request."""
        reply = self._client.simulate_request(
            method,
            path,
            body=None if body is None else msgpack.packb(body),
            headers={"Content-Type": MSGPACK, "Accept": MSGPACK},
        )
        return Reply(reply.status_code, msgpack.unpackb(reply.content))


@pytest.fixture
def checked(tmp_path: Path) -> Iterator[CheckedServer]:
    """The application of a server with one index."""
    indexes = IndexRegistry(tmp_path, IndexServerMetrics())
    checked = CheckedServer(ServerInProcess(indexes, tmp_path), CheckCounts(), DOCUMENTS)
    checked.create(np.random.default_rng(1), "first")
    yield checked
    indexes.close()


def test_answers_equal_brute_force_before_and_after_a_kill(tmp_path: Path) -> None:
    figures = check_server(
        tmp_path / "indexes", DOCUMENTS, SEED, lambda kills: kills < 1, print, steps=10
    )
    assert figures["texts"] == []
    assert figures["differences"] == 0
    assert figures["kills"] == 1
    assert figures["in_flight"] >= 1
    assert figures["searches"] > 20
    assert figures["heavy_searches"] > 20


def test_a_lost_version_is_a_difference(checked: CheckedServer) -> None:
    checked.indexes["first"].version += 1
    checked.check_index("first")
    checked.indexes["first"].version -= 1
    checked.check_index("first")
    assert checked.counts.differences == 1


def test_a_lost_document_and_a_changed_one_are_differences(checked: CheckedServer) -> None:
    generator = np.random.default_rng(2)
    lost, changed = list(checked.indexes["first"].content.documents)[:2]
    before = checked.counts.differences
    check_content(checked, generator, "first", [lost, changed])
    assert checked.counts.differences == before
    checked.server.request("DELETE", f"/first/{lost}")
    check_content(checked, generator, "first", [lost])
    assert any(text.startswith(f"GET first/{lost}: 404") for text in checked.counts.texts)
    before = checked.counts.differences
    terms = new_terms(generator, 3).tolist()
    checked.server.request("PUT", f"/first/{changed}", {"h": terms})
    check_content(checked, generator, "first", [changed])
    assert any(text.startswith("search in first") for text in checked.counts.texts)
    assert checked.counts.differences > before
