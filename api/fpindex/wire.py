"""JSON and MessagePack: which of them a request speaks, and messages to and from bytes.

JSON names each field in full. MessagePack names it by its first letter; when it is read, any key
that begins with the letter will do, so that full names work too.
"""

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

import msgpack

from api.fpindex.errors import BadRequestError, UnsupportedMediaTypeError

Message = Mapping[str, object]
"""A reply by full names. Messages in its lists are abbreviated as it is; maps in it are data."""


class Format(Enum):
    """A form of messages, by its media type."""

    JSON = "application/json"
    MSGPACK = "application/vnd.msgpack"


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
    """
    try:
        if form is Format.JSON:
            return json.loads(body)
        value: object = msgpack.unpackb(body, strict_map_key=False)
    except (ValueError, TypeError, RecursionError):
        raise BadRequestError from None
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
