"""fpindex's protocol: bodies of requests and replies in MessagePack, and the client's errors.

A key is the first letter of the field's name. Only the first letter of a received key counts, so
full names are accepted too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgpack
import numpy as np

from pipeline.index import ChangelogState, Hits, Insert

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.index import Change
    from pipeline.index.changelog_state import PlainState

CONTENT_TYPE: Final = "application/vnd.msgpack"

POSITION_KEY: Final = "changelog_position"
"""Key of the changelog position in the metadata of an index.

The version that a server reports is a count of its commits, not a changelog position.
"""


class ServerFailed(Exception):  # noqa: N818 - named for what it reports
    """One server gave no usable answer. Another server may."""


class ServerTimedOut(ServerFailed):
    """One server had too little time for an answer. It may be intact."""


class ServerBehind(ServerFailed):
    """One server does not have changes that an earlier answer contained."""


class ServerStateRefused(ServerFailed):
    """The caller of a search does not accept the state of the index on one server.

    Attributes:
        state: the state; None if the server does not have the index.
    """

    def __init__(self, text: str, state: ChangelogState | PlainState | None) -> None:
        self.state = ChangelogState.from_plain(state)
        super().__init__(text, None if self.state is None else self.state.plain())

    def __str__(self) -> str:
        return str(self.args[0])


class IndexMissing(Exception):  # noqa: N818 - named for the state it reports
    """The server has no index of that name."""


class VersionConflict(Exception):  # noqa: N818 - named for what it reports
    """The index does not have the version that the changes are based on."""


class BadReply(ValueError):  # noqa: N818 - named for what it is
    """A reply does not follow the protocol."""


@dataclass(frozen=True, slots=True)
class IndexState:
    """Version, position and size of an index, as a server reports them.

    Attributes:
        version: the version of the last commit, for `update_body`.
        position: the changelog position, 0 if the metadata has none.
        documents: number of documents; fpindex includes deleted and replaced ones.
        segments: number of segments.
        min_document_id: the lowest id, 0 in an empty index; may be a deleted one.
        max_document_id: the highest id, likewise.
        metadata: the metadata, texts by key.
        exists: whether the server has the index.
    """

    version: int
    position: int
    documents: int = 0
    segments: int = 0
    min_document_id: int = 0
    max_document_id: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    exists: bool = True

    def changelog_state(self) -> ChangelogState:
        """Return the part of the changelog that the index contains."""
        return ChangelogState.read(self.position, self.metadata, lambda: self.max_document_id)


def search_body(
    query: NDArray[np.uint32], limit: int, min_score: int, score_pct: int, milliseconds: int
) -> bytes:
    """Return the body of ``_search``."""
    return _pack(
        {"q": query.tolist(), "t": milliseconds, "l": limit, "m": min_score, "s": score_pct}
    )


def update_body(changes: Sequence[Change], metadata: Mapping[str, str], version: int) -> bytes:
    """Return the body of ``_update``. The server refuses it unless the index has `version`."""
    return _pack({"c": [_change(each) for each in changes], "m": dict(metadata), "e": version})


def read_hits(body: bytes) -> Hits:
    """Read the reply of ``_search``.

    Raises:
        BadReply: the body does not follow the protocol.
    """
    fields = _fields(_unpack(body))
    results = fields.get("r")
    if not isinstance(results, list):
        raise BadReply("search reply without results")
    partial = fields.get("p", False) is True  # fpindex has no such field
    found = [_fields(each) for each in results]
    ids = [_number(each, "i") for each in found]
    scores = [_number(each, "s") for each in found]
    try:
        return Hits(np.array(ids, dtype=np.uint32), np.array(scores, dtype=np.int32), partial)
    except OverflowError as error:
        raise BadReply("number out of range in a search reply") from error


def read_state(body: bytes) -> IndexState:
    """Read the reply of ``GET /{index}``.

    Raises:
        BadReply: the body does not follow the protocol.
    """
    fields = _fields(_unpack(body))
    metadata, stats = fields.get("m", {}), fields.get("s", {})
    if not isinstance(metadata, dict) or not isinstance(stats, dict):
        raise BadReply("metadata or statistics of an index reply are not a map")
    return IndexState(
        version=_number(fields, "v"),
        position=_position(metadata.get(POSITION_KEY, "0")),
        documents=_number(stats, "num_docs", 0),
        segments=_number(stats, "num_segments", 0),
        min_document_id=_number(stats, "min_doc_id", 0),
        max_document_id=_number(stats, "max_doc_id", 0),
        metadata={key: text for key, text in metadata.items() if isinstance(text, str)},
    )


def read_version(body: bytes) -> int:
    """Read the reply of ``_update``: the version of the commit.

    Raises:
        BadReply: the body does not follow the protocol.
    """
    return _number(_fields(_unpack(body)), "v")


def read_error(body: bytes) -> str:
    """Read the name of an error. Return "" if the body is not an error of the protocol."""
    try:
        name = _fields(_unpack(body)).get("e")
    except BadReply:
        return ""
    return name if isinstance(name, str) and name.isidentifier() else ""


def _change(change: Change) -> dict[str, dict[str, Any]]:
    if isinstance(change, Insert):
        # A server does not remove duplicate terms, and counts them in scores.
        return {"i": {"i": change.id, "h": np.unique(change.terms).tolist()}}
    return {"d": {"i": change.id}}


def _position(text: object) -> int:
    if not isinstance(text, str) or not (text.isascii() and text.isdigit()):
        raise BadReply(f"metadata {POSITION_KEY} is not a number")
    return int(text)


def _fields(value: object) -> dict[str, Any]:
    """Return a map with the first letters of its keys."""
    if not isinstance(value, dict):
        raise BadReply("a value is not a map")
    return {str(key)[:1]: each for key, each in value.items()}


def _number(fields: Mapping[str, Any], key: str, default: int | None = None) -> int:
    value = fields.get(key)
    if value is None:
        value = default
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadReply(f"field {key} is not a number")
    return value


def _pack(value: object) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


def _unpack(body: bytes) -> object:
    try:
        return msgpack.unpackb(body)
    except Exception as error:  # the library documents no common base class of its errors
        raise BadReply("the body is not MessagePack") from error
