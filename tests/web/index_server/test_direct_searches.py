"""Searches that are answered without the framework have the framework's replies."""

import io
from collections.abc import Iterator
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from http_server.wsgi import Application
from index_server.http.app import create_app, create_framework_app
from index_server.http.direct_searches import DirectSearches
from index_server.http.searches import packed_search
from index_server.prometheus_metrics import IndexServerMetrics
from index_server.registry import CreateRequest, IndexRegistry
from index_server.update_batching import UpdateRequest
from pipeline.index import IndexReader, Insert

MSGPACK = "application/vnd.msgpack"
TERMS = [2**31 + 7 * number for number in range(40)]
Reply = tuple[str, list[tuple[str, str]], bytes]


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IndexRegistry]:
    """A registry with index `a` of 60 documents."""
    indexes = IndexRegistry(tmp_path_factory.mktemp("indexes"), IndexServerMetrics())
    inserts = [
        Insert(number, np.array(TERMS[: number % 41], dtype=np.uint32)) for number in range(1, 61)
    ]
    indexes.create("a", CreateRequest()).update(UpdateRequest([*inserts]))
    yield indexes
    indexes.close()


@pytest.fixture(scope="module")
def framework(indexes: IndexRegistry) -> Application:
    """The application without direct searches."""
    return create_framework_app(indexes, IndexServerMetrics())


@pytest.fixture(scope="module")
def application(indexes: IndexRegistry) -> Application:
    """The whole application."""
    return create_app(indexes, IndexServerMetrics())


def refuse(environ: dict[str, Any], start_response: object) -> Any:
    """Stand in for the framework where it must not be called."""
    raise AssertionError(f"the framework is called for {environ['PATH_INFO']}: {start_response}")


def call(application: Application, body: bytes, **changes: str) -> Reply:
    """Return status, headers and body of the reply to a search."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a/_search",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(),
        "wsgi.input": io.BytesIO(body),
        "CONTENT_TYPE": MSGPACK,
        "CONTENT_LENGTH": str(len(body)),
        **changes,
    }
    environ = {name: value for name, value in environ.items() if value != "absent"}
    started: list[tuple[str, list[tuple[str, str]]]] = []
    parts = application(environ, lambda status, headers: started.append((status, headers)))
    content = b"".join(parts)
    return (*started[-1], content)


def packed(number: int) -> bytes:
    """Encode a hash with 32 bits, as encoders do if it is large."""
    return b"\xce" + number.to_bytes(4, "big")


LARGE = st.sampled_from(TERMS).map(packed)
FIVE_BYTES = [b"\xd2\x00\x00\x00\x07", b"\xd2\xff\xff\xff\xff", b"\xca\x3f\x80\x00\x00"]
"""Numbers that are not unsigned, but as long as hashes of 32 bits."""
OTHER_ITEMS = st.one_of(
    st.sampled_from(FIVE_BYTES),
    st.sampled_from([0, 5, 300, 2**32, -1, 1.5, None, True, "x", []]).map(msgpack.packb),
)
HASHES = st.one_of(
    st.lists(LARGE, min_size=1, max_size=50),
    st.lists(st.one_of(LARGE, OTHER_ITEMS), max_size=5),
)
LIST_HEADERS = st.sampled_from(["short", "16", "32"])
VALUES = st.one_of(
    st.sampled_from([0, 1, 7, 100, 101, 2**32 - 1, 2**32, -1, 0.5, None, True, "1"]), st.none()
).map(msgpack.packb)
KEYS = st.sampled_from(
    ["t", "l", "m", "s", "timeout", "limit", "min_score", "score_pct", "x", "", "q", "lemon", 1]
).map(msgpack.packb)
QUERY_KEYS = st.sampled_from(
    [*[b"\xa1q"] * 6, b"\xa5query", b"\xa2qu", b"\xd9\x01q", b"\xa2q\xff", b"\xa1k", b"\x01"]
)


@st.composite
def lists(draw: st.DrawFn) -> bytes:
    """Draw a list of hashes."""
    items, kind = draw(HASHES), draw(LIST_HEADERS)
    if kind == "short" and len(items) < 16:
        head = bytes([0x90 + len(items)])
    elif kind == "16" and len(items) < 2**16:
        head = b"\xdc" + len(items).to_bytes(2, "big")
    else:
        head = b"\xdd" + len(items).to_bytes(4, "big")
    return head + b"".join(items)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Draw a body: a valid search, one with wrong values, or one with damaged bytes."""
    entries = [draw(QUERY_KEYS) + draw(st.one_of(lists(), VALUES))]
    entries += draw(st.lists(st.tuples(KEYS, VALUES).map(b"".join), max_size=5))
    if draw(st.booleans()):
        entries = draw(st.permutations(entries))
    size = draw(st.sampled_from([len(entries)] * 6 + [len(entries) + 1, 0, 15]))
    body = bytearray(bytes([0x80 + size]) + b"".join(entries))
    if draw(st.integers(0, 3)) == 0:
        body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    if draw(st.integers(0, 3)) == 0:
        del body[draw(st.integers(0, len(body))) :]
    return bytes(body)


REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "REQUEST_METHOD": st.sampled_from(["GET", "PUT", "OPTIONS"]),
        "PATH_INFO": st.sampled_from(
            [
                *("/b/_search", "/a/_search/", "/_search", "//_search", "/a/b/_search"),
                *("/_health/_search", "/_metrics/_search", "/\xc3\xa4/_search", "/a b/_search"),
                "/a/_update",
            ]
        ),
        "CONTENT_TYPE": st.sampled_from(["absent", "application/json", "text/plain", ""]),
        "CONTENT_LENGTH": st.sampled_from(["absent", "", "0", "1", "-1", "x", "99999", "9" * 20]),
        "HTTP_ACCEPT": st.sampled_from(
            [MSGPACK, "*/*", "application/json", "", "Application/JSON;q=0.9"]
        ),
        "HTTP_TRANSFER_ENCODING": st.just("chunked"),
    },
)
USUAL = b"\x82\xa1q\x92" + packed(TERMS[0]) + packed(TERMS[9]) + b"\xa1l\x28"


@settings(max_examples=200, deadline=None)
@given(body=bodies(), changes=st.one_of(st.just({}), REQUESTS))
@example(body=USUAL, changes={})
@example(body=b"", changes={})
@example(body=USUAL[:-1], changes={})
@example(body=USUAL + b"\x00", changes={})
@example(body=b"\x82" + USUAL[1:-3] + USUAL[1:-3], changes={})
@example(body=b"\x82" + USUAL[1:-3] + b"\xa1q\x90", changes={})
@example(body=b"\x81\xa1q\x92" + packed(TERMS[0]) + FIVE_BYTES[0], changes={})
@example(body=b"\x81\xa1q\x92" + packed(TERMS[0]) + FIVE_BYTES[2], changes={})
def test_replies_are_those_of_the_framework(
    application: Application, framework: Application, body: bytes, changes: dict[str, str]
) -> None:
    assert call(application, body, **changes) == call(framework, body, **changes)


@pytest.mark.parametrize(
    "changes",
    [{}, {"HTTP_ACCEPT": MSGPACK}, {"HTTP_ACCEPT": "*/*"}, {"CONTENT_TYPE": "absent"}],
)
@pytest.mark.parametrize(
    "body",
    [
        USUAL,
        b"\x81\xa5query\xdc\x00\x01" + packed(TERMS[0]),
        msgpack.packb({"q": TERMS, "t": 500, "l": 40, "m": 2, "s": 10}),
    ],
)
def test_usual_searches_need_no_framework(
    indexes: IndexRegistry, framework: Application, body: bytes, changes: dict[str, str]
) -> None:
    status, headers, content = call(DirectSearches(indexes, refuse), body, **changes)
    assert status == "200 OK"
    assert msgpack.unpackb(content)["r"]
    assert (status, headers, content) == call(framework, body, **changes)


def test_other_errors_have_the_reply_of_the_framework(
    application: Application, framework: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk of this machine")

    monkeypatch.setattr(IndexReader, "search", fail)
    reply = call(application, USUAL)
    assert (reply[0][:3], reply[2]) == ("500", msgpack.packb({"e": "Internal"}))
    assert reply == call(framework, USUAL)


def test_a_query_has_the_hashes_of_the_body() -> None:
    search = packed_search(b"\x81\xa1q\x92" + packed(2**32 - 1) + packed(0))
    assert search is not None
    assert search.query.dtype == np.uint32
    assert search.query.tolist() == [2**32 - 1, 0]
