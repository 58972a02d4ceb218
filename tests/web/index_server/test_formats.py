"""JSON and MessagePack over HTTP, also for errors."""

from typing import Any

import msgpack
import pytest
from falcon import testing

from pipeline.index import IndexReader, SearchTimeout

Http = testing.TestClient
JSON = "application/json"
MSGPACK = "application/vnd.msgpack"


@pytest.fixture(autouse=True)
def index(http: Http) -> None:
    """An index `a` with fingerprint 1."""
    http.simulate_put("/a")
    http.simulate_put("/a/1", json={"hashes": [101, 201]})


def search(http: Http, body: bytes, **headers: str) -> testing.Result:
    """Send a search with only these headers."""
    return http.simulate_post("/a/_search", body=body, headers=headers)


def test_a_body_without_a_type_is_messagepack(http: Http) -> None:
    reply = search(http, msgpack.packb({"query": [101, 201]}))
    assert reply.headers["content-type"] == MSGPACK
    assert msgpack.unpackb(reply.content) == {"r": [{"i": 1, "s": 2}]}


def test_messagepack_keys_are_first_letters(http: Http) -> None:
    headers = {"Content-Type": MSGPACK}
    body = msgpack.packb({"c": [{"i": {"i": 2, "h": [301]}}], "e": 1})
    reply = http.simulate_post("/a/_update", body=body, headers=headers)
    assert msgpack.unpackb(reply.content) == {"v": 2}
    assert http.simulate_get("/a/2").status_code == 200


def test_statistics_keep_their_full_names_in_messagepack(http: Http) -> None:
    reply = http.simulate_get("/a", headers={"Accept": MSGPACK})
    assert msgpack.unpackb(reply.content) == {
        "v": 1,
        "m": {},
        "s": {"min_doc_id": 1, "max_doc_id": 1, "num_segments": 1, "num_docs": 1},
    }


@pytest.mark.parametrize("sent", [JSON, MSGPACK])
@pytest.mark.parametrize("accepted", [JSON, MSGPACK])
def test_accept_sets_the_format_of_the_reply(http: Http, sent: str, accepted: str) -> None:
    body = msgpack.packb({"q": [101]}) if sent == MSGPACK else b'{"query": [101]}'
    reply = search(http, body, **{"Content-Type": sent, "Accept": accepted})
    assert reply.headers["content-type"] == accepted


@pytest.mark.parametrize(
    ("headers", "status", "error", "content_type"),
    [
        ({"Content-Type": JSON}, 400, "BadRequest", JSON),
        ({"Content-Type": MSGPACK}, 400, "BadRequest", MSGPACK),
        ({}, 400, "BadRequest", MSGPACK),
        ({"Content-Type": MSGPACK, "Accept": JSON}, 400, "BadRequest", JSON),
        ({"Content-Type": "invalid/type"}, 415, "UnsupportedMediaType", JSON),
        ({"Content-Type": "x/y", "Accept": MSGPACK}, 415, "UnsupportedMediaType", MSGPACK),
    ],
)
def test_errors_are_in_the_format_of_the_request(
    http: Http, headers: dict[str, str], status: int, error: str, content_type: str
) -> None:
    reply = search(http, b"\xc1 neither", **headers)
    assert (reply.status_code, reply.headers["content-type"]) == (status, content_type)
    body: Any = reply.json if content_type == JSON else msgpack.unpackb(reply.content)
    assert body == ({"error": error} if content_type == JSON else {"e": error})


def test_a_missing_body_is_refused(http: Http) -> None:
    for path in ("/a/_search", "/a/_update"):
        reply = http.simulate_post(path)
        assert (reply.status_code, reply.json) == (400, {"error": "BadRequest"})


def test_an_incomplete_body_is_refused(http: Http) -> None:
    body = b'{"query": [101]}'
    headers = {"Content-Type": JSON, "Content-Length": str(len(body) + 1)}
    assert http.simulate_post("/a/_search", body=body, headers=headers).status_code == 400


def test_a_body_has_16_mib_at_most(http: Http) -> None:
    body = b'{"query": [101]}'.ljust(16 * 1024 * 1024)
    assert search(http, body, **{"Content-Type": JSON}).status_code == 200
    reply = search(http, body + b" ", **{"Content-Type": JSON})
    assert (reply.status_code, reply.json) == (413, {"error": "BodyTooLarge"})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("PUT", "/"),
        ("OPTIONS", "/"),
        ("GET", "/a/b/c"),
        ("GET", "/_health/x/y"),
        ("GET", "/a/_search/1"),
        ("OPTIONS", "/a/_search/1"),
        ("POST", "/a/_nope"),
        ("OPTIONS", "/a/_nope"),
    ],
)
def test_other_paths_are_not_found(http: Http, method: str, path: str) -> None:
    reply = http.simulate_request(method, path)
    assert (reply.status_code, reply.json) == (404, {"error": "NotFound"})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", "/_health"), ("GET", "/_metrics"), ("GET", "/a/_health"), ("GET", "/a/_status")),
        *(("GET", "/a"), ("HEAD", "/a"), ("GET", "/a/1"), ("GET", "/a/2"), ("DELETE", "/a/1")),
        *(("PUT", "/b"), ("GET", "/c"), ("POST", "/a/_search"), ("POST", "/a/_update")),
        *(("GET", "/a/_search"), ("POST", "/a/_nope"), ("GET", "/a/b/c")),
    ],
)
def test_a_path_may_end_with_a_slash(http: Http, method: str, path: str) -> None:
    body = msgpack.packb({"q": [101, 201, 2**31]} if path == "/a/_search" else {"c": []})
    given = {"body": body} if method == "POST" else {}
    reply = http.simulate_request(method, path + "/", **given)
    if path == "/a/_update":
        assert (reply.status_code, reply.content) == (200, msgpack.packb({"v": 2}))
        return
    expected = http.simulate_request(method, path, **given)
    assert (reply.status, reply.headers) == (expected.status, expected.headers)
    assert path == "/_metrics" or reply.content == expected.content


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/a/_search", "POST"),
        ("OPTIONS", "/a/_search", "POST"),
        ("OPTIONS", "/a", "GET, HEAD, PUT, DELETE"),
        ("PATCH", "/a", "GET, HEAD, PUT, DELETE"),
        ("POST", "/a/1", "GET, HEAD, PUT, DELETE"),
        ("OPTIONS", "/_metrics", "GET"),
        ("POST", "/_health", "GET, HEAD"),
    ],
)
def test_other_methods_are_not_allowed(http: Http, method: str, path: str, allowed: str) -> None:
    reply = http.simulate_request(method, path)
    assert (reply.status_code, reply.json) == (405, {"error": "MethodNotAllowed"})
    assert reply.headers["allow"] == allowed


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/a/_search", b'{"query": [101], "query": [201]}'),
        ("/a/_update", b'{"changes": [{"insert": {"id": 2, "id": 3, "hashes": []}}]}'),
        ("/a/_update", b'{"changes": [], "metadata": {"a": "1", "a": "1"}}'),
    ],
)
def test_a_json_key_given_twice_is_refused(http: Http, path: str, body: bytes) -> None:
    reply = http.simulate_post(path, body=body, headers={"Content-Type": JSON})
    assert (reply.status_code, reply.json) == (400, {"error": "BadRequest"})


def test_a_content_type_without_a_body_is_ignored(http: Http) -> None:
    headers = {"Content-Type": "text/plain"}
    for method, path in (("GET", "/a"), ("GET", "/a/1"), ("PUT", "/b"), ("DELETE", "/b")):
        reply = http.simulate_request(method, path, headers=headers)
        assert (reply.status_code, reply.headers["content-type"]) == (200, JSON)
    reply = http.simulate_put("/b", headers=headers, body=b"{}")
    assert (reply.status_code, reply.json) == (415, {"error": "UnsupportedMediaType"})


def test_an_internal_error_has_no_details(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk of this machine")

    monkeypatch.setattr("index_server.update_batching.GroupCommitWriter.commit", fail)
    reply = http.simulate_put("/a/2", json={"hashes": []})
    assert (reply.status_code, reply.json) == (500, {"error": "Internal"})


def test_a_search_that_times_out_is_503(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(*_: object, timeout: float, **__: object) -> None:
        raise SearchTimeout(f"not done in {timeout} s")

    monkeypatch.setattr(IndexReader, "search", give_up)
    reply = http.simulate_post("/a/_search", json={"query": [101], "timeout": 1})
    assert (reply.status_code, reply.json) == (503, {"error": "SearchTimeout"})
