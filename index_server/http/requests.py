"""Parses and checks decoded request bodies."""

from dataclasses import dataclass
from typing import Final

from index_server.errors import BadRequestError
from index_server.http.formats import Format, fields
from index_server.http.values import MAX_U64, boolean, hashes, integer, u32
from index_server.registry import CreateRequest
from index_server.served_index import (
    DEFAULT_LIMIT,
    DEFAULT_SCORE_PCT,
    DEFAULT_TIMEOUT,
    SearchRequest,
)

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
    query = hashes(given.get("query"))
    timeout = min(u32(given.get("timeout", DEFAULT_TIMEOUT)), MAX_TIMEOUT)
    min_score = given.get("min_score")
    if min_score is None:
        min_score = -(-query.size // TERMS_PER_POINT)
    return SearchRequest(
        query,
        timeout=timeout / 1000 or None,
        limit=min(max(u32(given.get("limit", DEFAULT_LIMIT)), 1), MAX_LIMIT),
        min_score=max(u32(min_score), 1),
        score_pct=min(u32(given.get("score_pct", DEFAULT_SCORE_PCT)), 100),
    )


def create_index_request(value: object, form: Format) -> CreateRequest:
    """Return the conditions of a create request.

    Raises:
        BadRequestError: as for a search.
    """
    given = fields(value, ("expect_does_not_exist", "generation"), form)
    generation = given.get("generation")
    return CreateRequest(
        boolean(given.get("expect_does_not_exist", False)),
        None if generation is None else integer(generation, MAX_U64),
    )


def delete_index_request(value: object, form: Format) -> DeleteRequest:
    """Return the condition of a delete request.

    Raises:
        BadRequestError: as for a search.
    """
    given = fields(value, ("expect_exists",), form)
    return DeleteRequest(boolean(given.get("expect_exists", False)))


def document_id(text: str) -> int:
    """Return the id in a path.

    Raises:
        BadRequestError: the text is not a decimal number of 32 bits.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise BadRequestError
    return u32(int(text))
