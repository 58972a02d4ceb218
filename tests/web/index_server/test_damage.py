"""A damaged index of an index server is named and refused; the others are served."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from falcon import testing

from index_server import served_index
from index_server.http.app import create_app
from index_server.prometheus_metrics import IndexServerMetrics
from index_server.registry import IndexRegistry

SEARCH = {"query": [1, 2]}


def client(path: Path, *, serve_damaged: bool = False) -> Iterator[testing.TestClient]:
    """An HTTP client of a new server on a folder."""
    metrics = IndexServerMetrics()
    indexes = IndexRegistry(path, metrics, serve_damaged=serve_damaged)
    yield testing.TestClient(create_app(indexes, metrics))
    indexes.close()


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A segment of the index `a` with a flipped bit; `a` has two segments, `b` is intact."""
    for http in client(tmp_path):
        for name in ("a", "b"):
            http.simulate_put(f"/{name}")
            for document in (1, 2):
                http.simulate_put(f"/{name}/{document}", json={"hashes": [1, 2]})
    first, _ = sorted((tmp_path / "a" / "v000001").glob("*.segment"))
    flip(first)
    return first


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-60] ^= 4
    file.write_bytes(data)


def ids(reply: testing.Result) -> list[int]:
    return [each["id"] for each in reply.json["results"]]


def test_a_damaged_index_is_refused_and_named(damaged: Path, tmp_path: Path) -> None:
    for http in client(tmp_path):
        reply = http.simulate_post("/a/_search", json=SEARCH)
        assert (reply.status_code, reply.json) == (503, {"error": "IndexDamaged"})
        assert http.simulate_put("/a/3", json={"hashes": [1]}).status_code == 503
        assert http.simulate_delete("/a").status_code == 503
        health = http.simulate_get("/a/_health")
        assert health.status_code == 503
        assert f"{damaged}: has damaged" in health.text
        assert f"a is damaged: {damaged}: has damaged" in http.simulate_get("/_health").text
        assert http.simulate_get("/_health").status_code == 200
        assert 'fpindex_damaged{index="a"} 1.0' in http.simulate_get("/_metrics").text
        assert ids(http.simulate_post("/b/_search", json=SEARCH)) == [1, 2]
        assert http.simulate_get("/b/_health").text == "OK\n"


def test_the_intact_part_is_served_if_told_to(damaged: Path, tmp_path: Path) -> None:
    for http in client(tmp_path, serve_damaged=True):
        assert ids(http.simulate_post("/a/_search", json=SEARCH)) == [2]
        assert http.simulate_put("/a/3", json={"hashes": [1]}).status_code == 503
        assert str(damaged) in http.simulate_get("/a/_health").text
        assert ids(http.simulate_post("/b/_search", json=SEARCH)) == [1, 2]
        assert http.simulate_put("/b/3", json={"hashes": [1]}).status_code == 200


def test_damage_that_the_scrub_finds_is_refused(tmp_path: Path) -> None:
    metrics = IndexServerMetrics()
    indexes = IndexRegistry(tmp_path, metrics)
    http = testing.TestClient(create_app(indexes, metrics))
    http.simulate_put("/a")
    http.simulate_put("/a/1", json={"hashes": [1, 2]})
    index = indexes.get("a")
    index.scrub(1 << 20)
    assert ids(http.simulate_post("/a/_search", json=SEARCH)) == [1]
    flip(next((tmp_path / "a" / "v000001").glob("*.segment")))
    index.scrub(1 << 20)
    assert http.simulate_post("/a/_search", json=SEARCH).json == {"error": "IndexDamaged"}
    assert http.simulate_put("/a/3", json={"hashes": [1]}).json == {"error": "IndexDamaged"}
    assert http.simulate_get("/a/_health").status_code == 503
    indexes.close()


def test_an_index_that_is_repaired_while_the_server_runs_is_served_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is cut: a search of the mapped file would end the process."""
    monkeypatch.setattr(served_index, "REFRESH_EVERY", 0.0)
    for http in client(tmp_path):
        http.simulate_put("/a")
        http.simulate_put("/a/1", json={"hashes": [1, 2]})
        [segment] = (tmp_path / "a" / "v000001").glob("*.segment")
        data = segment.read_bytes()
        segment.write_bytes(data[:20])
        for _ in range(2):
            assert http.simulate_post("/a/_search", json=SEARCH).status_code == 503
        assert str(segment) in http.simulate_get("/a/_health").text
        segment.write_bytes(data)
        assert ids(http.simulate_post("/a/_search", json=SEARCH)) == [1]
        assert http.simulate_get("/a/_health").text == "OK\n"


def test_the_scrub_leaves_no_file_of_a_deleted_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.storage.scrub.RECORD_EVERY", 0.0)
    metrics = IndexServerMetrics()
    indexes = IndexRegistry(tmp_path, metrics)
    http = testing.TestClient(create_app(indexes, metrics))
    http.simulate_put("/a")
    http.simulate_put("/a/1", json={"hashes": [1, 2]})
    indexes.get("a").scrub(1 << 20)
    assert (tmp_path / "a" / "v000001" / "scrub").exists()
    http.simulate_delete("/a")
    assert not (tmp_path / "a" / "v000001").exists()
    indexes.close()
