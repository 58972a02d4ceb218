"""Parses and checks decoded request bodies."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from index_server.errors import BadRequestError, InvalidFingerprintIdError
from index_server.http.formats import Format, fields
from index_server.registry import CreateRequest
from index_server.served_index import (
    DEFAULT_LIMIT,
    DEFAULT_SCORE_PCT,
    DEFAULT_TIMEOUT,
    SearchRequest,
)
from index_server.update_batching import UpdateRequest
from pipeline.index import Change, Delete, Insert

MAX_U32: Final = 2**32 - 1
MAX_U64: Final = 2**64 - 1

MAX_TIMEOUT: Final = 10_000  # milliseconds
MAX_LIMIT: Final = 100
TERMS_PER_POINT: Final = 20
"""The default minimum score is the number of terms of the query divided by this, rounded up.

Duplicate terms count."""


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """The condition under which an index is deleted."""

    expect_exists: bool = False


def search_request(value: object, form: Format) -> SearchRequest:
    """Return the search of a body.

    Raises:
        BadRequestError: a field is unknown, has another type or is too large, or the query is
            missing.
    """
    given = fields(value, ("query", "timeout", "limit", "min_score", "score_pct"), form)
    query = _hashes(given.get("query"))
    timeout = min(_u32(given.get("timeout", DEFAULT_TIMEOUT)), MAX_TIMEOUT)
    min_score = given.get("min_score")
    if min_score is None:
        min_score = -(-query.size // TERMS_PER_POINT)
    return SearchRequest(
        query,
        timeout=timeout / 1000 or None,
        limit=min(max(_u32(given.get("limit", DEFAULT_LIMIT)), 1), MAX_LIMIT),
        min_score=max(_u32(min_score), 1),
        score_pct=min(_u32(given.get("score_pct", DEFAULT_SCORE_PCT)), 100),
    )


def update_request(value: object, form: Format) -> UpdateRequest:
    """Return the update of a body.

    Raises:
        BadRequestError: as for a search.
        InvalidFingerprintIdError: a change has id 0.
    """
    given = fields(value, ("changes", "metadata", "expected_version"), form)
    metadata: dict[str, str] = {}
    changes = [
        change
        for item in _list(given.get("changes"))
        if (change := _change(item, form, metadata)) is not None
    ]
    if given.get("metadata") is not None:
        metadata.update(_strings(given["metadata"]))
    expected = given.get("expected_version")
    return UpdateRequest(
        changes, metadata, None if expected is None else _integer(expected, MAX_U64)
    )


def insert_request(value: object, form: Format, document: int) -> UpdateRequest:
    """Return the update that inserts one fingerprint.

    Raises:
        BadRequestError: as for a search.
        InvalidFingerprintIdError: the id is 0.
    """
    given = fields(value, ("hashes",), form)
    return UpdateRequest([Insert(_checked_id(document), _hashes(given.get("hashes")))])


def delete_request(document: int) -> UpdateRequest:
    """Return the update that deletes one fingerprint.

    Raises:
        InvalidFingerprintIdError: the id is 0.
    """
    return UpdateRequest([Delete(_checked_id(document))])


def create_index_request(value: object, form: Format) -> CreateRequest:
    """Return the conditions of a create request.

    Raises:
        BadRequestError: as for a search.
    """
    given = fields(value, ("expect_does_not_exist", "generation"), form)
    generation = given.get("generation")
    return CreateRequest(
        _boolean(given.get("expect_does_not_exist", False)),
        None if generation is None else _integer(generation, MAX_U64),
    )


def delete_index_request(value: object, form: Format) -> DeleteRequest:
    """Return the condition of a delete request.

    Raises:
        BadRequestError: as for a search.
    """
    given = fields(value, ("expect_exists",), form)
    return DeleteRequest(_boolean(given.get("expect_exists", False)))


def document_id(text: str) -> int:
    """Return the id in a path.

    Raises:
        BadRequestError: the text is not a decimal number of 32 bits.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise BadRequestError
    return _u32(int(text))


def _change(value: object, form: Format, metadata: dict[str, str]) -> Change | None:
    """Return one change, or None for ``set_metadata``, which is added to `metadata`."""
    given = fields(value, ("insert", "delete", "set_metadata"), form)
    if len(given) != 1:
        raise BadRequestError
    ((kind, content),) = given.items()
    if kind == "insert":
        insert = fields(content, ("id", "hashes"), form)
        return Insert(_checked_id(_u32(insert.get("id"))), _hashes(insert.get("hashes")))
    if kind == "delete":
        return Delete(_checked_id(_u32(fields(content, ("id",), form).get("id"))))
    for item in _list(fields(content, ("entries",), form).get("entries")):
        entry = fields(item, ("key", "value"), form)
        metadata.update(_strings({entry.get("key"): entry.get("value")}))
    return None


def _checked_id(document: int) -> int:
    if document == 0:
        raise InvalidFingerprintIdError
    return document


def _hashes(value: object) -> NDArray[np.uint32]:
    # NumPy would convert a float or a boolean without an error.
    if not isinstance(value, list) or not set(map(type, value)) <= {int}:
        raise BadRequestError
    try:
        return np.array(value, dtype=np.uint32)
    except OverflowError:
        raise BadRequestError from None


def _u32(value: object) -> int:
    return _integer(value, MAX_U32)


def _integer(value: object, maximum: int) -> int:
    if type(value) is not int or not 0 <= value <= maximum:
        raise BadRequestError
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise BadRequestError
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise BadRequestError
    return value


def _strings(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise BadRequestError
    try:
        for text in (*value, *value.values()):
            str.encode(text)  # JSON allows lone surrogates, UTF-8 does not
    except (TypeError, UnicodeEncodeError):
        raise BadRequestError from None
    return value
