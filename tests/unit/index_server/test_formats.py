"""Content negotiation, decoding and encoding of bodies."""

import json

import msgpack
import numpy as np
import pytest

from index_server.errors import BadRequestError, UnsupportedMediaTypeError
from index_server.http.formats import (
    Format,
    decode,
    encode,
    encode_hits,
    fields,
    reply_format,
    request_format,
)
from pipeline.index import Hits

NAMES = ("query", "limit")


@pytest.mark.parametrize(
    ("content_type", "has_body", "expected"),
    [
        ("application/json", True, Format.JSON),
        ("Application/JSON; charset=utf-8", True, Format.JSON),
        ("application/vnd.msgpack", False, Format.MSGPACK),
        (None, True, Format.MSGPACK),
        (None, False, Format.JSON),
    ],
)
def test_the_content_type_sets_the_format_of_a_request(
    content_type: str | None, has_body: bool, expected: Format
) -> None:
    assert request_format(content_type, has_body=has_body) is expected


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/x-www-form-urlencoded"])
def test_other_media_types_are_refused(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaTypeError):
        request_format(content_type, has_body=True)


@pytest.mark.parametrize(
    ("accept", "content_type", "expected"),
    [
        ("application/vnd.msgpack", "application/json", Format.MSGPACK),
        ("application/json", "application/vnd.msgpack", Format.JSON),
        ("*/*", "application/vnd.msgpack", Format.MSGPACK),
        ("application/vnd.msgpack, */*", "application/json", Format.MSGPACK),
        ("Application/JSON; q=0.9", "application/vnd.msgpack", Format.JSON),
        ("text/html", "application/vnd.msgpack", Format.MSGPACK),
        ("", "application/vnd.msgpack", Format.MSGPACK),
        (None, None, Format.MSGPACK),
        (None, "text/plain", Format.JSON),
    ],
)
def test_accept_has_precedence_for_the_format_of_a_reply(
    accept: str | None, content_type: str | None, expected: Format
) -> None:
    assert reply_format(accept, content_type, has_body=True) is expected


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (b"{", Format.JSON),
        (b"\xff", Format.JSON),
        (b"[" * 100_000, Format.JSON),
        (b'{"query":[],"query":[]}', Format.JSON),
        (b'{"a":[{"b":{"c":1,"c":1}}]}', Format.JSON),
        (b"\x81", Format.MSGPACK),
        (b"\x80\x80", Format.MSGPACK),
        (b"\x81\xa1\xff\x00", Format.MSGPACK),
        (b"\x81\x90\x00", Format.MSGPACK),
        (b"\x91" * 100_000, Format.MSGPACK),
    ],
)
def test_an_invalid_body_is_a_bad_request(body: bytes, form: Format) -> None:
    with pytest.raises(BadRequestError):
        decode(body, form)


def test_json_has_full_names() -> None:
    message = {"results": [{"id": 1, "score": 3}], "metadata": {"name": "value"}}
    assert json.loads(encode(message, Format.JSON)) == message


def test_the_last_value_of_a_repeated_messagepack_key_counts() -> None:
    assert decode(b"\x82\xa1l\x01\xa1l\x02", Format.MSGPACK) == {"l": 2}


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("scores", [[], [9, 4, 1]])
def test_hits_are_encoded_like_any_reply(scores: list[int], form: Format, *, partial: bool) -> None:
    ids = [2**32 - 1 - score for score in scores]
    hits = Hits(np.array(ids, dtype=np.uint32), np.array(scores, dtype=np.int32), partial)
    results = [{"id": id_, "score": score} for id_, score in zip(ids, scores, strict=True)]
    reply = {"results": results, "partial": True} if partial else {"results": results}
    assert encode_hits(hits, form) == encode(reply, form)


def test_messagepack_abbreviates_all_keys_except_those_of_data() -> None:
    message = {"results": [{"id": 1, "score": 3}], "metadata": {"name": "value"}}
    assert msgpack.unpackb(encode(message, Format.MSGPACK)) == {
        "r": [{"i": 1, "s": 3}],
        "m": {"name": "value"},
    }


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ({"query": 1, "limit": 2}, Format.JSON),
        ({"q": 1, "l": 2}, Format.MSGPACK),
        ({"query": 1, "limes": 2}, Format.MSGPACK),
    ],
)
def test_fields_have_their_full_names(value: object, form: Format) -> None:
    assert fields(value, NAMES, form) == {"query": 1, "limit": 2}


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ({"q": 1}, Format.JSON),
        ({"more": 1}, Format.JSON),
        ({"more": 1}, Format.MSGPACK),
        ({"": 1}, Format.MSGPACK),
        ({0: 1}, Format.MSGPACK),
        ([], Format.JSON),
        (None, Format.MSGPACK),
    ],
)
def test_unknown_fields_are_refused(value: object, form: Format) -> None:
    with pytest.raises(BadRequestError):
        fields(value, NAMES, form)
