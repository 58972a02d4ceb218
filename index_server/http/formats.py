"""Bodies in JSON and MessagePack: content negotiation, size limits, decoding, encoding.

In JSON a key is the full name of the field. In MessagePack it is the first letter. Only the first
letter of a received MessagePack key counts, so full names are accepted too. If a MessagePack map
has a key twice, the last value counts, as in fpindex; in JSON that is an error.
"""

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

import falcon
import msgpack

from index_server.errors import (
    BadRequestError,
    BodyTooLargeError,
    IndexServerError,
    UnsupportedMediaTypeError,
)
from index_server.http.accept import preferred_type
from pipeline.index import Hits

Reply = Mapping[str, object]
"""A reply with full names. MessagePack abbreviates its keys and those of maps in its lists. Keys
of maps that are direct values, such as the metadata, stay as they are."""


class Format(Enum):
    """A format of bodies; the value is its media type."""

    JSON = "application/json"
    MSGPACK = "application/vnd.msgpack"


MAX_BODY: Final = 16 * 1024 * 1024
"""Maximum number of bytes of a request's body."""

MAX_CONTAINERS: Final = 300_000
"""Maximum number of maps and lists in a body. Each takes 60 to 240 bytes of memory."""

MAX_ITEMS: Final = 2**20
"""Maximum number of items of a list or a map."""

_CHUNK: Final = 256 * 1024
_FORMATS: Final = {form.value: form for form in Format}


def request_format(content_type: str | None, *, has_body: bool) -> Format:
    """Return the format of a request; a body without a content type is MessagePack.

    Raises:
        UnsupportedMediaTypeError: the content type is neither JSON nor MessagePack.
    """
    if content_type is None:
        return Format.MSGPACK if has_body else Format.JSON
    named = _FORMATS.get(content_type.partition(";")[0].strip().lower())
    if named is None:
        raise UnsupportedMediaTypeError
    return named


def reply_format(accept: str | None, content_type: str | None, *, has_body: bool) -> Format:
    """Return the format of a reply: that of `accept`, else that of the request, else JSON."""
    accepted = _FORMATS.get(accept or "")
    if accepted is not None:
        return accepted
    try:
        default = request_format(content_type, has_body=has_body)
    except UnsupportedMediaTypeError:
        default = Format.JSON
    if accept is None:
        return default
    # A client that accepts neither gets the default: it may still understand it.
    return _FORMATS.get(preferred_type(accept, _offered(default)) or "", default)


def _offered(default: Format) -> list[str]:
    return [default.value, *(form.value for form in Format if form is not default)]


def decode(body: bytes, form: Format) -> object:
    """Return the decoded body.

    Raises:
        BadRequestError: the body is not valid in that format, or a JSON object has a key twice.
        BodyTooLargeError: the body has more than `MAX_CONTAINERS` maps and lists.
    """
    try:
        return _decode_json(body) if form is Format.JSON else _decode_msgpack(body)
    except (ValueError, TypeError, RecursionError, MemoryError):
        raise BadRequestError from None


def _decode_json(body: bytes) -> object:
    if body.count(b"{") + body.count(b"[") > MAX_CONTAINERS:
        raise BodyTooLargeError
    return json.loads(body, object_pairs_hook=_map_of)


def _map_of(entries: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object. A repeated key is an error: the client has made a mistake."""
    found = dict(entries)
    if len(found) != len(entries):
        raise BadRequestError
    return found


def _decode_msgpack(body: bytes) -> object:
    left = MAX_CONTAINERS

    def count(container: object) -> object:
        nonlocal left
        left -= 1
        if left < 0:
            raise BodyTooLargeError
        return container

    most = min(len(body), MAX_ITEMS)
    value: object = msgpack.unpackb(
        body,
        strict_map_key=False,
        object_hook=count,
        list_hook=count,
        max_array_len=most,
        max_map_len=most,
    )
    return value


def encode(message: Reply, form: Format) -> bytes:
    """Return the body of a reply."""
    if form is Format.JSON:
        return json.dumps(message, separators=(",", ":")).encode()
    packed: bytes = msgpack.packb(_abbreviated(message))
    return packed


def encode_hits(hits: Hits, form: Format) -> bytes:
    """Return the body of the reply to a search, with ``partial`` if the hits are partial."""
    found = zip(hits.ids.tolist(), hits.scores.tolist(), strict=True)
    if form is Format.JSON:
        reply: dict[str, object] = {"results": [{"id": id_, "score": n} for id_, n in found]}
        return encode({**reply, "partial": True} if hits.partial else reply, form)
    # `encode` gives the same bytes, but takes twice as long.
    short: dict[str, object] = {"r": [{"i": id_, "s": n} for id_, n in found]}
    packed: bytes = msgpack.packb({**short, "p": True} if hits.partial else short)
    return packed


def fields(value: object, names: Sequence[str], form: Format) -> dict[str, Any]:
    """Return the fields of a map by their full names.

    Args:
        value: the result of `decode`, or a part of it.
        names: the names of the allowed fields; their first letters differ.
        form: the format of the body.

    Raises:
        BadRequestError: the value is not a map, or has an unknown field.
    """
    if not isinstance(value, dict):
        raise BadRequestError
    known = {name if form is Format.JSON else name[0]: name for name in names}
    found = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise BadRequestError
        name = known.get(key if form is Format.JSON else key[:1])
        if name is None:
            raise BadRequestError
        found[name] = item
    return found


def _abbreviated(message: Reply) -> dict[str, object]:
    return {
        name[0]: [_abbreviated(item) for item in value] if isinstance(value, list) else value
        for name, value in message.items()
    }


class IndexRequest:
    """A request and the formats of its body and its reply."""

    def __init__(self, req: falcon.Request) -> None:
        self._req = req
        self._content_type = req.get_header("Content-Type")
        is_chunked = req.content_length is None and req.get_header("Transfer-Encoding")
        self._has_body = bool(req.content_length or is_chunked)

    def encoded_body(self) -> tuple[bytes, Format]:
        """Return the body as it was sent, and its format.

        Raises:
            UnsupportedMediaTypeError: the body is neither JSON nor MessagePack.
            BadRequestError: the body is missing or incomplete.
            BodyTooLargeError: the body is larger than `MAX_BODY`.
        """
        form = request_format(self._content_type, has_body=self._has_body)
        body = _read_body(self._req) if self._has_body else b""
        if not body:
            raise BadRequestError
        return body, form

    def body(self) -> tuple[object, Format]:
        """Return the decoded body and its format.

        Raises:
            UnsupportedMediaTypeError, BadRequestError, BodyTooLargeError: as for `encoded_body`
                and `decode`.
        """
        body, form = self.encoded_body()
        return decode(body, form), form

    def optional_body(self) -> tuple[object, Format]:
        """Return the decoded body and its format; an empty map if there is no body.

        Raises:
            UnsupportedMediaTypeError, BadRequestError, BodyTooLargeError: as for `body`.
        """
        return self.body() if self._has_body else ({}, Format.JSON)

    def reply(self, resp: falcon.Response, message: Reply) -> None:
        """Write a reply in the negotiated format."""
        form = self._reply_format()
        resp.data = encode(message, form)
        resp.content_type = form.value

    def reply_hits(self, resp: falcon.Response, hits: Hits) -> None:
        """Write the reply to a search in the negotiated format."""
        form = self._reply_format()
        resp.data = encode_hits(hits, form)
        resp.content_type = form.value

    def _reply_format(self) -> Format:
        accept = self._req.get_header("Accept")
        return reply_format(accept, self._content_type, has_body=self._has_body)


def write_error(req: falcon.Request, resp: falcon.Response, error: IndexServerError) -> None:
    """Write an error in the negotiated format. The reply to HEAD has no body."""
    resp.status = falcon.code_to_http_status(error.status)
    if req.method != "HEAD":
        IndexRequest(req).reply(resp, {"error": error.name()})


def _read_body(req: falcon.Request) -> bytes:
    length = req.content_length
    if length is not None and length > MAX_BODY:
        raise BodyTooLargeError
    left = MAX_BODY + 1 if length is None else length
    pieces: list[bytes] = []
    try:
        while left and (piece := req.env["wsgi.input"].read(min(left, _CHUNK))):
            pieces.append(piece)
            left -= len(piece)
    except OSError:
        raise BadRequestError from None
    if length is None and not left:
        raise BodyTooLargeError
    if length is not None and left:
        raise BadRequestError
    return b"".join(pieces)
