"""JSON and MessagePack: which of them a request speaks, and messages to and from bytes.

JSON names each field in full. MessagePack names it by its first letter; when it is read, any key
that begins with the letter will do, so that full names work too.
"""

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

import msgpack

from index_server.errors import BadRequestError, BodyTooLargeError, UnsupportedMediaTypeError

Message = Mapping[str, object]
"""A reply by full names. Messages in its lists are abbreviated as it is; maps in it are data."""


class Format(Enum):
    """A form of messages, by its media type."""

    JSON = "application/json"
    MSGPACK = "application/vnd.msgpack"


MAX_CONTAINERS: Final = 300_000
"""Maps and lists that a message may have. Each takes 60 to 240 bytes, and one byte of a body."""

MAX_ITEMS: Final = 2**20
"""Items that a list or a map may have."""

_FORMATS: Final = {form.value: form for form in Format}


def request_format(content_type: str | None, *, has_body: bool) -> Format:
    """Return the format of a request: what it says, or MessagePack for a body without a type.

    Raises:
        UnsupportedMediaTypeError: it says something else.
    """
    if content_type is None:
        return Format.MSGPACK if has_body else Format.JSON
    named = _FORMATS.get(content_type.partition(";")[0].strip().lower())
    if named is None:
        raise UnsupportedMediaTypeError
    return named


def reply_format(accept: str | None, content_type: str | None, *, has_body: bool) -> Format:
    """Return the format of a reply: what `accept` names, else that of the request, else JSON."""
    accepted = _FORMATS.get(accept or "")
    if accepted is not None:
        return accepted
    try:
        return request_format(content_type, has_body=has_body)
    except UnsupportedMediaTypeError:
        return Format.JSON


def decode(body: bytes, form: Format) -> object:
    """Return what a body holds.

    Raises:
        BadRequestError: it is not of that format.
        BodyTooLargeError: it has more maps and lists than `MAX_CONTAINERS`.
    """
    try:
        return _decode_json(body) if form is Format.JSON else _decode_msgpack(body)
    except (ValueError, TypeError, RecursionError, MemoryError):
        raise BadRequestError from None


def _decode_json(body: bytes) -> object:
    if body.count(b"{") + body.count(b"[") > MAX_CONTAINERS:
        raise BodyTooLargeError
    return json.loads(body)


def _decode_msgpack(body: bytes) -> object:
    room = MAX_CONTAINERS

    def count(container: object) -> object:
        nonlocal room
        room -= 1
        if room < 0:
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


def encode(message: Message, form: Format) -> bytes:
    """Return a message as bytes."""
    if form is Format.JSON:
        return json.dumps(message, separators=(",", ":")).encode()
    packed: bytes = msgpack.packb(_abbreviated(message))
    return packed


def fields(value: object, names: Sequence[str], form: Format) -> dict[str, Any]:
    """Return a message's fields by their full names.

    Args:
        value: what `decode` returned, or a part of it.
        names: of the fields that it may have; no two begin alike.
        form: what it was decoded from.

    Raises:
        BadRequestError: it is no map, or has a field of another name.
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


def _abbreviated(message: Message) -> dict[str, object]:
    return {
        name[0]: [_abbreviated(item) for item in value] if isinstance(value, list) else value
        for name, value in message.items()
    }
