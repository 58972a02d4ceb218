"""Request bodies: read and inflated within limits, then parsed as a form."""

import re
import zlib
from typing import Any, Final, Protocol

import falcon

from api.http.errors import InvalidBodyError, RequestTooLargeError
from api.http.parameters import Pair, parse_pairs

MAX_BODY: Final = 1_048_576
"""Bytes of the largest body, before and after it is inflated."""

MAX_PARTS: Final = 1000
"""Parts of the largest multipart form."""

MAX_MEMBERS: Final = 16
"""Members of the largest gzip body; each costs a copy of the rest of the body."""

_FORM: Final = "application/x-www-form-urlencoded"
_CHUNK: Final = 64 * 1024
_GZIP: Final = zlib.MAX_WBITS | 16
_TOO_LARGE: Final = f"a body may have {MAX_BODY} bytes"
_LINE_END: Final = re.compile(rb"[ \t]*\r\n")


class Readable(Protocol):
    """The stream from which a WSGI application reads the body."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, none at the end of the body."""
        ...


def read_form(environ: dict[str, Any]) -> list[Pair]:
    """Return the pairs of a request's form; none if the body has another content type.

    A body of another content type is not read. The HTTP server discards what is not read.

    Raises:
        RequestTooLargeError: more bytes than `MAX_BODY`, more parts than `MAX_PARTS`, or more pairs
            than `api.http.parameters.MAX_PAIRS`.
        InvalidBodyError: the body ends early, cannot be inflated, or is not a valid form.
    """
    header = environ.get("CONTENT_TYPE") or ""
    kind, options = (header, {}) if header == _FORM else falcon.parse_header(header)
    if kind.lower() == _FORM:
        return parse_pairs(read_body(environ).decode("utf-8", "replace"))
    if kind.lower() == "multipart/form-data":
        if not options.get("boundary"):
            raise InvalidBodyError("the multipart form names no boundary in its Content-Type")
        return parse_multipart(read_body(environ), options["boundary"])
    return []


def read_body(environ: dict[str, Any]) -> bytes:
    """Return the body, inflated if its ``Content-Encoding`` is gzip.

    Raises:
        RequestTooLargeError: more than `MAX_BODY` bytes, before or after it is inflated.
        InvalidBodyError: it ends early or cannot be inflated.
    """
    body = _read_raw(environ)
    encoding = (environ.get("HTTP_CONTENT_ENCODING") or "").strip().lower()
    return inflate(body) if encoding == "gzip" else body


def inflate(body: bytes, limit: int = MAX_BODY) -> bytes:
    """Inflate gzip, and stop at the limit.

    Raises:
        RequestTooLargeError: it inflates to more than `limit` bytes.
        InvalidBodyError: it is not gzip, damaged, ends early, or has more than `MAX_MEMBERS`.
    """
    pieces: list[bytes] = []
    room = limit + 1  # one byte more than the limit shows that the body is too large
    while body:
        if len(pieces) == MAX_MEMBERS:
            raise InvalidBodyError(f"the gzip body has more than {MAX_MEMBERS} members")
        member = zlib.decompressobj(_GZIP)
        try:
            piece = member.decompress(body, room)
        except zlib.error:
            raise InvalidBodyError(
                "the body is no valid gzip, although its Content-Encoding says so"
            ) from None
        pieces.append(piece)
        room -= len(piece)
        if not room:
            raise RequestTooLargeError(f"{_TOO_LARGE} once it is inflated")
        if not member.eof:
            raise InvalidBodyError("the gzip body ends early")
        body = member.unused_data.lstrip(b"\0")  # the end may be padded with zeros
    return b"".join(pieces)


# Falcon's parser refuses the header Content-Transfer-Encoding, which some HTTP clients send, and
# silently ignores parts that follow the closing boundary.
def parse_multipart(body: bytes, boundary: str) -> list[Pair]:
    """Return the fields of a multipart form, without attached files.

    Raises:
        RequestTooLargeError: more than `MAX_PARTS` parts.
        InvalidBodyError: the closing boundary is missing or not the end, or a part has no header.
            No part of a form is lost without an error.
    """
    delimiter = b"\r\n--" + boundary.encode("utf-8", "replace")
    _, *parts = (b"\r\n" + body).split(delimiter, MAX_PARTS + 2)
    fields: list[Pair] = []
    for number, part in enumerate(parts):
        if part.startswith(b"--"):
            if number + 1 < len(parts) or part[2:].strip(b" \t\r\n"):
                raise InvalidBodyError("the multipart form goes on after its closing boundary")
            return fields
        if number == MAX_PARTS:
            raise RequestTooLargeError(f"a form may have {MAX_PARTS} parts")
        if field := _parse_part(part):
            fields.append(field)
    raise InvalidBodyError("the multipart form does not end with its boundary")


def _parse_part(part: bytes) -> Pair | None:
    start = _LINE_END.match(part)
    head, blank, value = part[start.end() :].partition(b"\r\n\r\n") if start else (b"", b"", b"")
    if not blank:
        raise InvalidBodyError("a part of the multipart form has no header")
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, rest = line.partition(":")
        if name.strip().lower() == "content-disposition":
            return _field(rest, value)
    return None


def _field(disposition: str, value: bytes) -> Pair | None:
    _, options = falcon.parse_header(disposition)
    name = options.get("name")
    if name is None or "filename" in options or "filename*" in options:
        return None
    return name, value.decode("utf-8", "replace")


def _read_raw(environ: dict[str, Any]) -> bytes:
    length = _declared_length(environ)
    if length is None and not environ.get("wsgi.input_terminated"):
        return b""  # without a length, the end of the body is unknown
    if length is not None and length > MAX_BODY:
        raise RequestTooLargeError(_TOO_LARGE)
    body = _read_at_most(environ["wsgi.input"], MAX_BODY + 1 if length is None else length)
    if len(body) > MAX_BODY:
        raise RequestTooLargeError(_TOO_LARGE)
    if length is not None and len(body) < length:
        raise InvalidBodyError("the body ends before its Content-Length")
    return body


def _declared_length(environ: dict[str, Any]) -> int | None:
    text = (environ.get("CONTENT_LENGTH") or "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise InvalidBodyError("the Content-Length is no number")
    return int(text.lstrip("0")[:20] or "0")


def _read_at_most(stream: Readable, size: int) -> bytes:
    pieces: list[bytes] = []
    try:
        while size and (piece := stream.read(min(size, _CHUNK))):
            pieces.append(piece)
            size -= len(piece)
    except OSError:
        raise InvalidBodyError("the body could not be read to its end") from None
    return b"".join(pieces)
