"""The resources of an index."""

from pathlib import Path
from typing import Any, Final

import msgpack
import pytest
from falcon import testing

Http = testing.TestClient
MSGPACK: Final = "application/vnd.msgpack"
EMPTY = {"min_doc_id": 0, "max_doc_id": 0, "num_segments": 0, "num_docs": 0}


def test_an_index_is_created_once(http: Http) -> None:
    created = {"version": 0, "ready": True, "generation": 1}
    for _ in range(2):
        reply = http.simulate_put("/a")
        assert (reply.status_code, reply.json) == (200, created)
    assert http.simulate_get("/a").json == {"version": 0, "metadata": {}, "stats": EMPTY}


def test_get_returns_version_metadata_and_size(http: Http) -> None:
    http.simulate_put("/a")
    changes = [{"insert": {"id": id_, "hashes": [1, 2]}} for id_ in (7, 90)]
    http.simulate_post("/a/_update", json={"changes": changes, "metadata": {"foo": "1234"}})
    assert http.simulate_get("/a").json == {
        "version": 1,
        "metadata": {"foo": "1234"},
        "stats": {"min_doc_id": 7, "max_doc_id": 90, "num_segments": 1, "num_docs": 2},
    }
    status = {"generation": 1, "version": 1, "file_version": 1}
    assert http.simulate_get("/a/_status").json == status


def test_generations_only_grow(http: Http) -> None:
    def put(**given: Any) -> tuple[int, Any]:
        reply = http.simulate_put("/a", json=given)
        return reply.status_code, reply.json.get("error") or reply.json["generation"]

    assert put(generation=5) == (200, 5)
    assert put(generation=5) == (200, 5)
    assert put(generation=4) == (409, "OlderIndexAlreadyExists")
    assert put(generation=6) == (409, "NewerIndexAlreadyExists")
    assert put(expect_does_not_exist=True) == (409, "IndexAlreadyExists")
    http.simulate_delete("/a")
    assert put(generation=5) == (409, "OlderIndexAlreadyExists")
    assert put(generation=9, expect_does_not_exist=True) == (200, 9)
    http.simulate_delete("/a")
    assert put() == (200, 10)


def test_after_the_highest_generation_a_name_cannot_be_used(http: Http) -> None:
    last = 2**64 - 1
    assert http.simulate_put("/a", json={"generation": last}).json["generation"] == last
    http.simulate_delete("/a")
    for body in (None, {}, {"generation": last}, {"expect_does_not_exist": True}):
        reply = http.simulate_put("/a", json=body)
        assert (reply.status_code, reply.json) == (409, {"error": "OlderIndexAlreadyExists"})
    assert http.simulate_get("/a").status_code == 404
    assert http.simulate_put("/b").status_code == 200


def test_an_index_is_deleted_once(http: Http) -> None:
    http.simulate_put("/a")
    assert http.simulate_delete("/a").json == {"deleted": True}
    assert http.simulate_delete("/a").json == {"deleted": False}
    missing = http.simulate_delete("/a", json={"expect_exists": True})
    assert (missing.status_code, missing.json) == (404, {"error": "IndexNotFound"})


def test_a_new_index_has_no_content_of_a_deleted_one(http: Http) -> None:
    http.simulate_put("/a")
    http.simulate_put("/a/1", json={"hashes": [1]})
    http.simulate_delete("/a")
    http.simulate_put("/a")
    assert http.simulate_get("/a").json["version"] == 0
    assert http.simulate_post("/a/_search", json={"query": [1]}).json == {"results": []}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/a", None),
        ("GET", "/a/1", None),
        ("GET", "/a/_status", None),
        ("GET", "/a/_snapshot", None),
        ("PUT", "/a/1", {"hashes": []}),
        ("DELETE", "/a/1", None),
        ("POST", "/a/_update", {"changes": []}),
        ("POST", "/a/_search", {"query": []}),
    ],
)
def test_an_unknown_index_is_not_found(http: Http, method: str, path: str, body: Any) -> None:
    reply = (
        http.simulate_request(method, path, json=body)
        if body is not None
        else (http.simulate_request(method, path))
    )
    assert (reply.status_code, reply.json) == (404, {"error": "IndexNotFound"})


@pytest.mark.parametrize("path", ["/a", "/a/1", "/a/_health"])
def test_head_and_health_return_a_status_only(http: Http, path: str) -> None:
    missing = http.simulate_head(path)
    assert (missing.status_code, missing.content) == (404, b"")
    http.simulate_put("/a")
    http.simulate_put("/a/1", json={"hashes": []})
    found = http.simulate_head(path)
    assert (found.status_code, found.content) == (200, b"")


def test_health_is_plain_text(http: Http) -> None:
    assert http.simulate_get("/_health").text == "OK\n"
    http.simulate_put("/a")
    assert http.simulate_get("/a/_health").text == "OK\n"
    missing = http.simulate_get("/b/_health")
    assert (missing.status_code, missing.content) == (404, b"")


@pytest.mark.parametrize("path", ["/a.b", "/%C3%A4", "/" + "a" * 256, "/a%20b/1"])
def test_an_invalid_name_is_refused(http: Http, path: str) -> None:
    reply = http.simulate_get(path)
    assert (reply.status_code, reply.json) == (400, {"error": "InvalidIndexName"})


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_name_with_unknown_files_is_refused(http: Http, tmp_path: Path, method: str) -> None:
    """The files may be data whose state file is lost."""
    kept = tmp_path / "a" / "data"
    kept.parent.mkdir()
    kept.write_text("not ours")
    reply = http.simulate_request(method, "/a")
    assert (reply.status_code, reply.json) == (409, {"error": "UnknownFiles"})
    assert list(tmp_path.rglob("a*")) == [kept.parent]
    assert kept.read_text() == "not ours"
    assert http.simulate_get("/a").json == {"error": "IndexNotFound"}


def test_an_index_whose_folder_was_moved_away_is_not_empty(http: Http, tmp_path: Path) -> None:
    """Each request that reads it gets an error until the folder is back."""
    http.simulate_put("/a")
    http.simulate_put("/a/1", json={"hashes": [1]})
    packed = {"body": msgpack.packb({"q": [1]}), "headers": {"content-type": MSGPACK}}
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/a/_search", {"json": {"query": [1]}}),
        ("POST", "/a/_search", packed),
        ("GET", "/a", {}),
        ("GET", "/a/1", {}),
        ("GET", "/a/_snapshot", {}),
        ("PUT", "/a/2", {"json": {"hashes": [1]}}),
    ]
    (tmp_path / "a").rename(tmp_path / "a.bak")
    for method, path, content in requests:
        reply = http.simulate_request(method, path, **content)
        expected = (500, b"Internal") if method == "PUT" else (503, b"IndexDamaged")
        assert reply.status_code == expected[0], (method, path)
        assert expected[1] in reply.content
    assert f"{tmp_path / 'a'}" in http.simulate_get("/a/_health").text
    (tmp_path / "a.bak").rename(tmp_path / "a")
    for method, path, content in requests:
        assert http.simulate_request(method, path, **content).status_code == 200
    reply = http.simulate_post("/a/_search", json={"query": [1]}).json
    assert [hit["id"] for hit in reply["results"]] == [1, 2]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST"])
def test_an_unknown_word_after_an_index_is_an_unknown_path(http: Http, method: str) -> None:
    http.simulate_put("/a")
    reply = http.simulate_request(method, "/a/_find")
    assert reply.status_code == 404
    if method != "HEAD":
        assert reply.json == {"error": "NotFound"}


def test_a_snapshot_is_a_stream_of_bytes(http: Http) -> None:
    http.simulate_put("/a")
    http.simulate_put("/a/1", json={"hashes": [1]})
    reply = http.simulate_get("/a/_snapshot")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/octet-stream")
    assert reply.content[:5] == b"\x83\xa1f\x01\xa1"
