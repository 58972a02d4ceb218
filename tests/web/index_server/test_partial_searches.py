"""Searches with `--max-postings`, and what a search reports about itself."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import pytest
from falcon import testing

from index_server.http.app import create_app
from index_server.line_protocol.session import LineProtocolSession
from index_server.prometheus_metrics import IndexServerMetrics
from index_server.registry import IndexRegistry
from pipeline.index import Hits, IndexReader
from pipeline.index_http.protocol import read_hits
from tests.web.index_server.test_metrics import samples

Http = testing.TestClient
MSGPACK = {"Content-Type": "application/vnd.msgpack"}
LIMIT = 100


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Http]:
    """A server with a limit on postings, with one fingerprint in the index `a`."""
    metrics = IndexServerMetrics()
    indexes = IndexRegistry(tmp_path / "limited", metrics, max_postings=LIMIT)
    yield with_fingerprint(testing.TestClient(create_app(indexes, metrics)))
    indexes.close()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The limit of each search. With a limit, an answer counts as partial."""
    limits: list[int | None] = []
    search = IndexReader.search

    def report(self: IndexReader, *args: Any, **options: Any) -> list[Hits]:
        limits.append(options["max_postings"])
        return [
            replace(hits, partial=limits[-1] is not None, postings=95, blocks=7)
            for hits in search(self, *args, **options)
        ]

    monkeypatch.setattr(IndexReader, "search", report)
    return limits


def with_fingerprint(http: Http) -> Http:
    http.simulate_put("/a")
    http.simulate_put("/a/5", json={"hashes": [1, 2, 3]})
    return http


def test_searches_are_exact_by_default(http: Http, asked: list[int | None]) -> None:
    reply = with_fingerprint(http).simulate_post("/a/_search", json={"query": [1, 2]})
    assert reply.json == {"results": [{"id": 5, "score": 2}]}
    assert asked == [None]


def test_a_partial_reply_says_so(limited: Http, asked: list[int | None]) -> None:
    reply = limited.simulate_post("/a/_search", json={"query": [1, 2]})
    assert reply.json == {"results": [{"id": 5, "score": 2}], "partial": True}
    body = msgpack.packb({"q": [1, 2]})
    reply = limited.simulate_post("/a/_search", body=body, headers=MSGPACK)
    assert msgpack.unpackb(reply.content) == {"r": [{"i": 5, "s": 2}], "p": True}
    hits = read_hits(reply.content)
    assert (hits.ids.tolist(), hits.scores.tolist(), hits.partial) == ([5], [2], True)
    assert asked == [LIMIT] * 2
    assert samples(limited)["fpindex_partial_searches_total", "a"] == 2


def test_the_line_protocol_does_not_say_it(tmp_path: Path, asked: list[int | None]) -> None:
    indexes = IndexRegistry(tmp_path / "legacy", IndexServerMetrics(), max_postings=LIMIT)
    with_fingerprint(testing.TestClient(create_app(indexes, IndexServerMetrics())))
    assert LineProtocolSession(indexes, "a").answer("search 1,2") == "OK 5:2"
    assert asked == [LIMIT]
    indexes.close()


def test_entries_and_blocks_are_counted_per_distinct_hash(
    http: Http, asked: list[int | None]
) -> None:
    del asked
    with_fingerprint(http)
    for query in ([1, 2, 1, 2, 2], [3], []):  # 95 // 2 and 7 // 2, 95 and 7, none
        http.simulate_post("/a/_search", json={"query": query})
    text = http.simulate_get("/_metrics").text
    found = samples(http)
    assert found["fpindex_searches_total", "a"] == 3
    for kind, total, below in (
        ("docs", 47 + 95, {"10.0": 0, "50.0": 1, "100.0": 2, "1000.0": 2, "+Inf": 2}),
        ("blocks", 3 + 7, {"1.0": 0, "2.0": 0, "3.0": 1, "5.0": 1, "10.0": 2, "+Inf": 2}),
    ):
        name = f"fpindex_scanned_{kind}_per_hash"
        assert found[f"{name}_sum", ""] == total
        assert found[f"{name}_count", ""] == 2
        for bound, count in below.items():
            assert f'{name}_bucket{{le="{bound}"}} {count:.1f}\n' in text
