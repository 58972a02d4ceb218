"""Updates: parsing, and that both ways to read MessagePack accept the same bodies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgpack
import numpy as np
import pytest
from hypothesis import event, given, note, settings
from hypothesis import strategies as st

from index_server.errors import BadRequestError, IndexServerError, InvalidFingerprintIdError
from index_server.http import formats, updates
from index_server.http.formats import Format, decode
from index_server.http.updates import (
    decoded_update,
    delete_request,
    insert_request,
    update_request,
)
from pipeline.index import ChangeBatch, Delete, Insert
from pipeline.index.changes import DELETED
from pipeline.index.packed_changes import read_changes
from pipeline.index_http.protocol import update_body
from tests.unit.index_server.packed_updates import UpdateEncoder

if TYPE_CHECKING:
    from random import Random

    from index_server.update_batching import UpdateRequest

JSON = Format.JSON


def update(*changes: object, **given: Any) -> UpdateRequest:
    """Parse an update in JSON."""
    return update_request(json.dumps({"changes": list(changes), **given}).encode(), JSON)


def listed(request: UpdateRequest) -> list[tuple[int, list[int] | None]]:
    """Return id and terms of each change; None instead of the terms of a deletion."""
    found: list[tuple[int, list[int] | None]] = []
    for change in request.changes:
        if isinstance(change, ChangeBatch):
            ends = np.cumsum(np.maximum(change.lengths, 0)).tolist()
            spans = zip(change.ids.tolist(), change.lengths.tolist(), ends, strict=True)
            found += [
                (id_, None if size == DELETED else change.terms[end - size : end].tolist())
                for id_, size, end in spans
            ]
        else:
            found.append((change.id, change.terms.tolist() if isinstance(change, Insert) else None))
    return found


def outcome(read: Any, *given: Any) -> object:
    """Return the content of the update, or the type of the error."""
    try:
        request = read(*given)
    except IndexServerError as error:
        return type(error)
    return listed(request), dict(request.metadata), request.expected_version


def decoded(body: bytes) -> UpdateRequest:
    """Read an update in MessagePack with the general decoder."""
    return decoded_update(decode(body, Format.MSGPACK), Format.MSGPACK)


@given(st.randoms(use_true_random=True), st.sampled_from([0, 0.0005, 0.002, 0.01, 0.05]))
@settings(deadline=None, max_examples=250)
def test_both_ways_to_read_messagepack_have_the_same_result(random: Random, oddness: float) -> None:
    body = UpdateEncoder(random, oddness).body()
    note(body.hex())
    expected = outcome(decoded, body)
    assert outcome(update_request, body, Format.MSGPACK) == expected
    fast = read_changes(body, formats.MAX_ITEMS) is not None
    event(f"valid: {isinstance(expected, tuple)}, in one pass: {fast}")


@pytest.mark.parametrize(
    "body",
    [
        msgpack.packb({"c": [{"i": {"i": 1, "h": [2]}}], "changes": []}),
        msgpack.packb({"c": [{"i": {"i": 1, "h": [2]}}], "m": {"a": "b"}, "e": None}),
        msgpack.packb({"c": [], "m": {"a": "b"}, "metadata": {}}),
        msgpack.packb({"c": [], "m": {"a": []}}),
        msgpack.packb({"c": [{"i": {"i": 1, "h": []}, "insert": {"i": 2, "h": []}}]}),
        msgpack.packb({"c": [{"i": {"i": 1, "h": [], "hashes": [3]}}]}),
        msgpack.packb({"c": []}) + b"\xc0",
        b"",
        b"\x80",
        b"\x81\xa1c",
        b"\x81\xa1c\xdd\xff\xff\xff\xff",
        b"\x83\xa1c\x90\xa1m\x91\x90\xa1m\x80",  # a key twice
    ],
)
def test_both_ways_have_the_same_result_at_the_edges(body: bytes) -> None:
    assert outcome(update_request, body, Format.MSGPACK) == outcome(decoded, body)


USUAL = {
    "c": [
        {"i": {"i": 7, "h": [1, 200, 70_000, 2**32 - 1]}},
        {"d": {"i": 300}},
        {"i": {"h": [], "i": 2**32 - 1}},
    ],
    "m": {"name": "é"},
    "e": 2**64 - 1,
}


def test_the_usual_update_is_read_in_one_pass() -> None:
    request = update_request(msgpack.packb(USUAL), Format.MSGPACK)
    assert [type(change) for change in request.changes] == [ChangeBatch]
    assert listed(request) == [(7, [1, 200, 70_000, 2**32 - 1]), (300, None), (2**32 - 1, [])]
    assert (request.metadata, request.expected_version) == ({"name": "é"}, 2**64 - 1)


def test_updates_of_the_pipeline_are_read_in_one_pass() -> None:
    terms = np.array([5, 2**31], dtype=np.uint32)
    body = update_body([Insert(3, terms), Delete(4)], {"position": "9"}, 7)
    request = update_request(body, Format.MSGPACK)
    assert [type(change) for change in request.changes] == [ChangeBatch]
    assert listed(request) == [(3, [5, 2**31]), (4, None)]
    assert (request.metadata, request.expected_version) == ({"position": "9"}, 7)


def test_an_update_that_is_cut_off_is_refused_at_any_byte() -> None:
    body = msgpack.packb(USUAL)
    for end in range(len(body)):
        with pytest.raises(BadRequestError):
            update_request(body[:end], Format.MSGPACK)


@pytest.mark.parametrize("most", range(12))
def test_both_ways_have_the_same_limit_of_lists_and_maps(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(formats, "MAX_CONTAINERS", most)
    monkeypatch.setattr(updates, "MAX_CONTAINERS", most)
    changes = USUAL["c"]
    for message in (USUAL, {"c": changes}, {"c": changes, "m": None}, {"c": changes, "e": 1}):
        body = msgpack.packb(message)
        assert outcome(update_request, body, Format.MSGPACK) == outcome(decoded, body)


@pytest.mark.parametrize("most", range(6))
def test_both_ways_have_the_same_limit_of_items(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(formats, "MAX_ITEMS", most)
    monkeypatch.setattr(updates, "MAX_ITEMS", most)
    body = msgpack.packb(USUAL)
    assert outcome(update_request, body, Format.MSGPACK) == outcome(decoded, body)


def test_an_update_keeps_the_order_of_its_changes() -> None:
    request = update(
        {"insert": {"id": 1, "hashes": [5, 5]}}, {"delete": {"id": 1}}, expected_version=7
    )
    assert listed(request) == [(1, [5, 5]), (1, None)]
    assert request.expected_version == 7


def test_metadata_of_the_update_overrides_that_of_changes() -> None:
    entries = [{"key": "a", "value": "1"}, {"key": "b", "value": "1"}]
    request = update({"set_metadata": {"entries": entries}}, metadata={"b": "2"})
    assert (listed(request), request.metadata) == ([], {"a": "1", "b": "2"})


def test_messagepack_uses_first_letters() -> None:
    message = {
        "c": [{"i": {"i": 1, "h": [2]}}, {"d": {"i": 3}}, {"s": {"e": [{"k": "a", "v": "1"}]}}],
        "m": {"b": "2"},
        "e": 0,
    }
    request = update_request(msgpack.packb(message), Format.MSGPACK)
    assert listed(request) == [(1, [2]), (3, None)]
    assert (request.metadata, request.expected_version) == ({"a": "1", "b": "2"}, 0)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"replace": {"id": 1}},
        {"insert": {"id": 1, "hashes": []}, "delete": {"id": 1}},
        {"insert": {"id": 1}},
        {"insert": {"id": 2**32, "hashes": []}},
        {"delete": {"id": "1"}},
        {"delete": 1},
        {"set_metadata": {"entries": [{"key": "a"}]}},
        {"set_metadata": {"entries": {"a": "1"}}},
        "delete",
    ],
)
def test_other_changes_are_refused(change: object) -> None:
    with pytest.raises(BadRequestError):
        update(change)


@pytest.mark.parametrize("hashes", [[-1], [2**32], [1.0], [True], ["1"], [None], "1", {}, None])
def test_hashes_are_numbers_of_32_bits(hashes: object) -> None:
    with pytest.raises(BadRequestError):
        insert_request({"hashes": hashes}, JSON, 1)


@pytest.mark.parametrize("metadata", [{"a": 1}, {"a": None}, {"a": "\ud800"}, ["a"]])
def test_metadata_must_be_texts(metadata: object) -> None:
    with pytest.raises(BadRequestError):
        update(metadata=metadata)


@pytest.mark.parametrize("expected", [-1, 2**64, "1", 1.0])
def test_an_expected_version_has_64_bits(expected: object) -> None:
    with pytest.raises(BadRequestError):
        update(expected_version=expected)


def test_an_update_needs_changes() -> None:
    with pytest.raises(BadRequestError):
        update_request(b'{"metadata": {}}', JSON)


def test_id_0_is_refused() -> None:
    for change in ({"insert": {"id": 0, "hashes": []}}, {"delete": {"id": 0}}):
        with pytest.raises(InvalidFingerprintIdError):
            update(change)
    for packed in ({"i": {"i": 0, "h": []}}, {"d": {"i": 0}}):
        with pytest.raises(InvalidFingerprintIdError):
            update_request(msgpack.packb({"c": [packed]}), Format.MSGPACK)
    with pytest.raises(InvalidFingerprintIdError):
        insert_request({"hashes": []}, JSON, 0)
    with pytest.raises(InvalidFingerprintIdError):
        delete_request(0)


def test_single_fingerprints_are_one_change() -> None:
    assert listed(insert_request({"hashes": [3, 1, 3]}, JSON, 9)) == [(9, [3, 1, 3])]
    assert delete_request(9).changes == [Delete(9)]
