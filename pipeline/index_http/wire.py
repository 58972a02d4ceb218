"""The bodies of fpindex's requests and replies, in MessagePack.

Keys are written as the first letter of the field's name and read by it, so that a server that
spells names out is understood too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgpack
import numpy as np

from pipeline.index import Hits, Insert

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.index import Change

CONTENT_TYPE: Final = "application/vnd.msgpack"

POSITION_KEY: Final = "changelog_position"
"""The metadata in which the index keeps the changelog position of its content.

The version that a server reports counts its own commits, so it says nothing about the changelog.
"""


class BadReply(ValueError):  # noqa: N818 - named for what it is
    """A reply is not one of the protocol."""


@dataclass(frozen=True, slots=True)
class IndexState:
    """What a server tells of an index.

    Attributes:
        version: of the server's last commit, for `update_body`.
        position: the changelog position, 0 unless the index claims one.
        documents: its number of documents; fpindex counts deleted and replaced ones too.
        segments: its number of segments.
        min_document_id: the lowest id it holds, 0 without any; deleted ones may count.
        max_document_id: the highest.
    """

    version: int
    position: int
    documents: int = 0
    segments: int = 0
    min_document_id: int = 0
    max_document_id: int = 0


def search_body(
    query: NDArray[np.uint32], limit: int, min_score: int, score_pct: int, milliseconds: int
) -> bytes:
    """Return the body of ``_search``."""
    return _pack(
        {"q": query.tolist(), "t": milliseconds, "l": limit, "m": min_score, "s": score_pct}
    )


def update_body(changes: Sequence[Change], metadata: Mapping[str, str], version: int) -> bytes:
    """Return the body of ``_update``, for the server to refuse unless it is at `version`."""
    return _pack({"c": [_change(each) for each in changes], "m": dict(metadata), "e": version})


def read_hits(body: bytes) -> Hits:
    """Read the reply of ``_search``.

    Raises:
        BadReply: it is none.
    """
    results = _fields(_unpack(body)).get("r")
    if not isinstance(results, list):
        raise BadReply("search reply without results")
    found = [_fields(each) for each in results]
    ids = [_number(each, "i") for each in found]
    scores = [_number(each, "s") for each in found]
    try:
        return Hits(np.array(ids, dtype=np.uint32), np.array(scores, dtype=np.int32))
    except OverflowError as error:
        raise BadReply("number out of range in a search reply") from error


def read_state(body: bytes) -> IndexState:
    """Read what a server tells of an index.

    Raises:
        BadReply: it is none.
    """
    fields = _fields(_unpack(body))
    metadata, stats = fields.get("m", {}), fields.get("s", {})
    if not isinstance(metadata, dict) or not isinstance(stats, dict):
        raise BadReply("index reply with metadata or statistics that are no map")
    return IndexState(
        version=_number(fields, "v"),
        position=_position(metadata.get(POSITION_KEY, "0")),
        documents=_number(stats, "num_docs", 0),
        segments=_number(stats, "num_segments", 0),
        min_document_id=_number(stats, "min_doc_id", 0),
        max_document_id=_number(stats, "max_doc_id", 0),
    )


def read_version(body: bytes) -> int:
    """Read the reply of ``_update``: the version of the commit.

    Raises:
        BadReply: it is none.
    """
    return _number(_fields(_unpack(body)), "v")


def read_error(body: bytes) -> str:
    """Read the name of an error; empty if the body is no error of the protocol."""
    try:
        name = _fields(_unpack(body)).get("e")
    except BadReply:
        return ""
    return name if isinstance(name, str) and name.isidentifier() else ""


def _change(change: Change) -> dict[str, dict[str, Any]]:
    if isinstance(change, Insert):
        # A server keeps duplicates, and would count them.
        return {"i": {"i": change.id, "h": np.unique(change.terms).tolist()}}
    return {"d": {"i": change.id}}


def _position(text: object) -> int:
    if not isinstance(text, str) or not (text.isascii() and text.isdigit()):
        raise BadReply(f"metadata {POSITION_KEY} is not a number")
    return int(text)


def _fields(value: object) -> dict[str, Any]:
    """Return a map by the first letters of its keys."""
    if not isinstance(value, dict):
        raise BadReply("something else where a map belongs")
    return {str(key)[:1]: each for key, each in value.items()}


def _number(fields: Mapping[str, Any], key: str, default: int | None = None) -> int:
    value = fields.get(key)
    if value is None:
        value = default
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadReply(f"no number where field {key} belongs")
    return value


def _pack(value: object) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


def _unpack(body: bytes) -> object:
    try:
        return msgpack.unpackb(body)
    except Exception as error:  # the library lists no common base for what it raises
        raise BadReply("the body is not MessagePack") from error
