"""Bodies of requests, and valid and invalid replies."""

import msgpack
import pytest

from pipeline.index import Delete, Insert
from pipeline.index_http import protocol
from pipeline.index_http.protocol import BadReply, IndexState
from tests.unit.index.model import pairs, terms


def test_a_search_body_has_all_fields() -> None:
    body = protocol.search_body(terms(3, 1), limit=40, min_score=2, score_pct=10, milliseconds=500)
    assert msgpack.unpackb(body) == {"q": [3, 1], "t": 500, "l": 40, "m": 2, "s": 10}


def test_an_update_body_has_distinct_terms_and_the_version() -> None:
    changes = [Insert(7, terms(5, 2**32 - 1, 5)), Delete(8)]
    assert msgpack.unpackb(protocol.update_body(changes, {"k": "v"}, 12)) == {
        "c": [{"i": {"i": 7, "h": [5, 2**32 - 1]}}, {"d": {"i": 8}}],
        "m": {"k": "v"},
        "e": 12,
    }


@pytest.mark.parametrize("names", ["ris", ("results", "id", "score")])
def test_only_first_letters_of_keys_count(names) -> None:
    results, id_, score = names
    body = msgpack.packb({results: [{id_: 9, score: 3}, {id_: 2**32 - 1, score: 1}]})
    assert pairs(protocol.read_hits(body)) == [(9, 3), (2**32 - 1, 1)]


def test_the_state_of_an_index() -> None:
    stats = {"min_doc_id": 2, "max_doc_id": 9, "num_segments": 3, "num_docs": 5}
    metadata = {protocol.POSITION_KEY: "77", "other": "x"}
    body = msgpack.packb({"v": 4, "m": metadata, "s": stats})
    assert protocol.read_state(body) == IndexState(4, 77, 5, 3, 2, 9, metadata)


def test_an_index_without_metadata_is_at_position_0() -> None:
    assert protocol.read_state(msgpack.packb({"v": 400})) == IndexState(400, 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"results": []}',
        msgpack.packb([]),
        msgpack.packb({}),
        msgpack.packb({"r": None}),
        msgpack.packb({"r": [3]}),
        msgpack.packb({"r": [{"i": 1}]}),
        msgpack.packb({"r": [{"i": 1, "s": True}]}),
        msgpack.packb({"r": [{"i": -1, "s": 1}]}),
        msgpack.packb({"r": [{"i": 2**32, "s": 1}]}),
        msgpack.packb({"r": [{"i": "1", "s": 1}]}),
    ],
)
def test_invalid_search_replies(body: bytes) -> None:
    with pytest.raises(BadReply):
        protocol.read_hits(body)


@pytest.mark.parametrize(
    "fields",
    [
        {"m": {}},
        {"v": -1},
        {"v": 1, "m": []},
        {"v": 1, "s": 3},
        {"v": 1, "s": {"num_docs": "many"}},
        {"v": 1, "m": {protocol.POSITION_KEY: "-3"}},
        {"v": 1, "m": {protocol.POSITION_KEY: "٣"}},
        {"v": 1, "m": {protocol.POSITION_KEY: 3}},
    ],
)
def test_invalid_index_replies(fields) -> None:
    with pytest.raises(BadReply):
        protocol.read_state(msgpack.packb(fields))


def test_the_names_of_errors() -> None:
    assert protocol.read_error(msgpack.packb({"e": "IndexNotFound"})) == "IndexNotFound"
    for body in (b"Not Found", b"", msgpack.packb({"e": 3}), msgpack.packb({"e": "two\nlines"})):
        assert protocol.read_error(body) == ""
