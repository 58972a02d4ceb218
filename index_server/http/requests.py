"""What clients ask of the index server, taken from decoded messages and checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from index_server.errors import BadRequestError, InvalidFingerprintIdError
from index_server.http.formats import Format, fields
from pipeline.index import Change, Delete, Insert

MAX_U32: Final = 2**32 - 1
MAX_U64: Final = 2**64 - 1

DEFAULT_TIMEOUT: Final = 500  # milliseconds
MAX_TIMEOUT: Final = 10_000  # milliseconds
DEFAULT_LIMIT: Final = 40
MAX_LIMIT: Final = 100
DEFAULT_SCORE_PCT: Final = 10
TERMS_A_POINT: Final = 20
"""Terms of a query, duplicates too, for each point that its hits must score by default."""


@dataclass(frozen=True, slots=True, eq=False)
class SearchRequest:
    """A search, its limits within what the server allows.

    Attributes:
        query: terms, uint32, shape (n,), any order, maybe with duplicates.
        timeout: seconds, None for no limit.
        limit: most results.
        min_score: fewest terms that a result shares.
        score_pct: results below this part of the best score are left out.
    """

    query: NDArray[np.uint32]
    timeout: float | None = DEFAULT_TIMEOUT / 1000
    limit: int = DEFAULT_LIMIT
    min_score: int = 1
    score_pct: int = DEFAULT_SCORE_PCT


@dataclass(frozen=True, slots=True, eq=False)
class Update:
    """Changes that become one version of an index.

    Attributes:
        changes: in order; the last one of an id wins.
        metadata: to put into the index's own, key by key.
        expected_version: the version that the index must have, None for any.
    """

    changes: list[Change] = field(default_factory=list)
    metadata: Mapping[str, str] = field(default_factory=dict)
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """An index to create, and what must not be so already."""

    expect_does_not_exist: bool = False
    generation: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """An index to delete."""

    expect_exists: bool = False


def search_request(value: object, form: Format) -> SearchRequest:
    """Return a search.

    Raises:
        BadRequestError: a field is unknown, of another type or too large, or there is no query.
    """
    given = fields(value, ("query", "timeout", "limit", "min_score", "score_pct"), form)
    query = _hashes(given.get("query"))
    timeout = min(_u32(given.get("timeout", DEFAULT_TIMEOUT)), MAX_TIMEOUT)
    min_score = given.get("min_score")
    if min_score is None:
        min_score = -(-query.size // TERMS_A_POINT)
    return SearchRequest(
        query,
        timeout=timeout / 1000 or None,
        limit=min(max(_u32(given.get("limit", DEFAULT_LIMIT)), 1), MAX_LIMIT),
        min_score=max(_u32(min_score), 1),
        score_pct=min(_u32(given.get("score_pct", DEFAULT_SCORE_PCT)), 100),
    )


def update_request(value: object, form: Format) -> Update:
    """Return an update.

    Raises:
        BadRequestError: as for a search.
        InvalidFingerprintIdError: a change is of id 0.
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
    return Update(changes, metadata, None if expected is None else _integer(expected, MAX_U64))


def insert_request(value: object, form: Format, document: int) -> Update:
    """Return the update that puts one fingerprint in.

    Raises:
        BadRequestError: as for a search.
        InvalidFingerprintIdError: the id is 0.
    """
    given = fields(value, ("hashes",), form)
    return Update([Insert(_checked_id(document), _hashes(given.get("hashes")))])


def delete_request(document: int) -> Update:
    """Return the update that takes one fingerprint out.

    Raises:
        InvalidFingerprintIdError: the id is 0.
    """
    return Update([Delete(_checked_id(document))])


def create_index_request(value: object, form: Format) -> CreateRequest:
    """Return what to create.

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
    """Return what to delete.

    Raises:
        BadRequestError: as for a search.
    """
    given = fields(value, ("expect_exists",), form)
    return DeleteRequest(_boolean(given.get("expect_exists", False)))


def document_id(text: str) -> int:
    """Return the id that a path names.

    Raises:
        BadRequestError: it is no decimal number of 32 bits.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise BadRequestError
    return _u32(int(text))


def _change(value: object, form: Format, metadata: dict[str, str]) -> Change | None:
    """Return one change, or None where it was of the metadata, which is put in there."""
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
    # A float or a boolean would become a number without a word.
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
            str.encode(text)  # a lone surrogate of JSON's is no text
    except (TypeError, UnicodeEncodeError):
        raise BadRequestError from None
    return value
