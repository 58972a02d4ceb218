"""Inserting, searching and deleting fingerprints."""

from typing import Any

import pytest
from falcon import testing

Http = testing.TestClient


@pytest.fixture(autouse=True)
def index(http: Http) -> None:
    """An empty index `a`."""
    http.simulate_put("/a")


def update(http: Http, *changes: object, **given: Any) -> testing.Result:
    """Send changes."""
    return http.simulate_post("/a/_update", json={"changes": list(changes), **given})


def insert(document: int, *hashes: int) -> dict[str, Any]:
    """Return the change that inserts a fingerprint."""
    return {"insert": {"id": document, "hashes": list(hashes)}}


def found(http: Http, *query: int, **given: Any) -> list[tuple[int, int]]:
    """Return ids and scores of a search."""
    reply = http.simulate_post("/a/_search", json={"query": list(query), **given})
    assert reply.status_code == 200
    return [(result["id"], result["score"]) for result in reply.json["results"]]


def test_a_fingerprint_is_found_until_it_is_deleted(http: Http) -> None:
    assert http.simulate_put("/a/1", json={"hashes": [101, 201, 301]}).json == {}
    assert found(http, 101, 201, 301) == [(1, 3)]
    assert http.simulate_get("/a/1").json == {"version": 1}
    assert http.simulate_delete("/a/1").json == {}
    assert found(http, 101, 201, 301) == []
    gone = http.simulate_get("/a/1")
    assert (gone.status_code, gone.json) == (404, {"error": "FingerprintNotFound"})


def test_deleting_a_missing_fingerprint_succeeds(http: Http) -> None:
    assert http.simulate_delete("/a/5").json == {}
    assert http.simulate_get("/a").json["version"] == 1


def test_an_insert_replaces_all_hashes(http: Http) -> None:
    update(http, insert(1, 100, 200, 300))
    update(http, insert(1, 100, 999))
    assert found(http, 100, 200, 300) == [(1, 1)]
    assert found(http, 100, 999) == [(1, 2)]
    assert http.simulate_get("/a/1").json == {"version": 2}


def test_the_last_change_of_an_id_wins(http: Http) -> None:
    update(http, insert(1, 5), {"delete": {"id": 1}}, insert(2, 5), insert(2, 6))
    assert found(http, 5, 6) == [(2, 1)]


def test_an_update_is_one_version_and_may_expect_a_version(http: Http) -> None:
    assert update(http, insert(1, 5), insert(2, 5)).json == {"version": 1}
    assert update(http, insert(3, 5), expected_version=1).json == {"version": 2}
    refused = update(http, insert(4, 5), expected_version=1)
    assert (refused.status_code, refused.json) == (409, {"error": "VersionMismatch"})
    assert len(found(http, 5)) == 3


def test_an_update_may_contain_metadata(http: Http) -> None:
    entries = [{"key": "a", "value": "1"}, {"key": "b", "value": "1"}]
    update(http, {"set_metadata": {"entries": entries}})
    update(http, metadata={"b": "2"})
    assert http.simulate_get("/a").json["metadata"] == {"a": "1", "b": "2"}


def test_an_update_with_a_wrong_change_changes_nothing(http: Http) -> None:
    reply = update(http, insert(1, 5), {"insert": {"id": 2, "hashes": [-1]}})
    assert (reply.status_code, reply.json) == (400, {"error": "BadRequest"})
    assert found(http, 5) == []


def test_id_0_is_refused(http: Http) -> None:
    for reply in (
        update(http, insert(0, 5)),
        http.simulate_put("/a/0", json={"hashes": [5]}),
        http.simulate_delete("/a/0"),
    ):
        assert (reply.status_code, reply.json) == (400, {"error": "InvalidFingerprintId"})
    assert http.simulate_get("/a/0").status_code == 404


@pytest.mark.parametrize("document", ["x", "-1", "4294967296"])
def test_an_id_must_be_a_number(http: Http, document: str) -> None:
    for reply in (
        http.simulate_get(f"/a/{document}"),
        http.simulate_put(f"/a/{document}", json={"hashes": [5]}),
    ):
        assert (reply.status_code, reply.json) == (400, {"error": "BadRequest"})


def test_results_are_ranked_by_score_then_id(http: Http) -> None:
    update(http, insert(9, 1, 2, 3), insert(4, 1, 2), insert(2, 1, 2, 3), insert(5, 7))
    assert found(http, 3, 2, 1, 1, 8) == [(2, 3), (9, 3), (4, 2)]


def test_results_below_the_minimum_are_dropped(http: Http) -> None:
    update(http, insert(1, *range(1, 41)), insert(2, *range(1, 5)), insert(3, 1))
    assert found(http, *range(1, 41)) == [(1, 40), (2, 4)]  # 40 / 20 and 40 * 10 %
    assert found(http, *range(1, 41), score_pct=11) == [(1, 40), (2, 4)]
    assert found(http, *range(1, 41), score_pct=13) == [(1, 40)]
    assert found(http, *range(1, 41), min_score=1, score_pct=0) == [(1, 40), (2, 4), (3, 1)]
    assert found(http, *range(1, 41), min_score=41) == []


def test_results_are_limited(http: Http) -> None:
    update(http, *(insert(document, 1) for document in range(1, 151)))
    assert len(found(http, 1)) == 40
    assert len(found(http, 1, limit=0)) == 1
    assert len(found(http, 1, limit=1000)) == 100


def test_an_empty_query_finds_nothing(http: Http) -> None:
    update(http, insert(1))
    assert found(http) == []
    assert http.simulate_get("/a/1").status_code == 200
