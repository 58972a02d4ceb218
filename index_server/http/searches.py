"""Reads and checks searches.

`packed_search` reads the usual search in MessagePack without a Python object for each hash. Every
other search is decoded first. Both ways accept the same searches, with the same result.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from index_server.errors import IndexServerError
from index_server.http.formats import Format, decode, fields
from index_server.http.msgpack_arrays import read_numbers
from index_server.http.values import hashes, u32
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

_FIELDS: Final = ("query", "timeout", "limit", "min_score", "score_pct")
_QUERY_KEYS: Final = (b"\xa1q", b"\xa5query")
"""The key of the query as clients encode it."""

_MAP: Final = 0x80
"""The first byte of a map without entries. With n entries, up to 15, the byte is n higher."""


def search_request(value: object, form: Format) -> SearchRequest:
    """Return the search of a decoded body.

    Raises:
        BadRequestError: a field is unknown, has another type or is too large, or the query is
            missing.
    """
    given = fields(value, _FIELDS, form)
    return _search(hashes(given.get("query")), given)


def packed_search(body: bytes) -> SearchRequest | None:
    """Return the search of a body in MessagePack, None for an invalid or unusual body.

    In a usual body the query is the first entry, and each of its hashes takes 32 bits.
    """
    for key in _QUERY_KEYS:
        if body.startswith(key, 1) and _MAP < body[0] <= _MAP + len(_FIELDS):
            found = read_numbers(body, 1 + len(key))
            return None if found is None else _with_rest(body, *found)
    return None


def _with_rest(body: bytes, query: NDArray[np.uint32], end: int) -> SearchRequest | None:
    """Return the search of a query and the entries of the body that follow it."""
    rest = b"%c%b" % (body[0] - 1, body[end:])
    try:
        given = fields(decode(rest, Format.MSGPACK), _FIELDS, Format.MSGPACK)
        return None if "query" in given else _search(query, given)
    except IndexServerError:
        return None


def _search(query: NDArray[np.uint32], given: Mapping[str, Any]) -> SearchRequest:
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
