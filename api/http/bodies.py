"""Reads and inflates request bodies within limits, and parses them as forms."""

import re
import zlib
from typing import Any, Final, Protocol

import falcon

from api.http.errors import InvalidBodyError, RequestTooLargeError
from api.http.parameters import Pair, parse_pairs

MAX_BODY: Final = 1_048_576
"""Maximum size of a body in bytes, before and after it is inflated."""

MAX_PARTS: Final = 1000
"""Maximum number of parts of a multipart form."""

MAX_MEMBERS: Final = 16
"""Maximum number of members of a gzip body. For each one, the rest of the body is copied."""

_FORM: Final = "application/x-www-form-urlencoded"
_CHUNK: Final = 64 * 1024
_GZIP: Final = zlib.MAX_WBITS | 16
_TOO_LARGE: Final = f"a body may have at most {MAX_BODY} bytes"
_LINE_END: Final = re.compile(rb"[ \t]*\r\n")


class Readable(Protocol):
    """The stream of a request body in WSGI, ``wsgi.input``."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes; no bytes at the end of the body."""
        ...


def read_form(environ: dict[str, Any]) -> list[Pair]:
    """Return the pairs of a request's form; none if the body is not a form.

    A body with another content type is not read. The HTTP server discards it.

    Raises:
        RequestTooLargeError: the body has more than `MAX_BODY` bytes, `MAX_PARTS` parts or
            `api.http.parameters.MAX_PAIRS` pairs.
        InvalidBodyError: the body ends early, cannot be inflated, or is not a valid form.
    """
    header = environ.get("CONTENT_TYPE") or ""
    kind, options = (header, {}) if header == _FORM else falcon.parse_header(header)
    if kind.lower() == _FORM:
        return parse_pairs(read_body(environ).decode("utf-8", "replace"))
    if kind.lower() == "multipart/form-data":
        if not options.get("boundary"):
            raise InvalidBodyError("the Content-Type of the multipart form has no boundary")
        return parse_multipart(read_body(environ), options["boundary"])
    return []


def read_body(environ: dict[str, Any]) -> bytes:
    """Return the body, inflated if its ``Content-Encoding`` is gzip.

    Raises:
        RequestTooLargeError: the body has more than `MAX_BODY` bytes, before or after it is
            inflated.
        InvalidBodyError: the body ends early or cannot be inflated.
    """
    body = _read_raw(environ)
    encoding = (environ.get("HTTP_CONTENT_ENCODING") or "").strip().lower()
    return inflate(body) if encoding == "gzip" else body


def inflate(body: bytes, limit: int = MAX_BODY) -> bytes:
    """Return the inflated bytes of a gzip body.

    Raises:
        RequestTooLargeError: the result would have more than `limit` bytes.
        InvalidBodyError: the body is not gzip, is damaged, ends early, or has more than
            `MAX_MEMBERS` members.
    """
    pieces: list[bytes] = []
    left = limit + 1  # one byte more than the limit shows that the body is too large
    while body:
        if len(pieces) == MAX_MEMBERS:
            raise InvalidBodyError(f"the gzip body has more than {MAX_MEMBERS} members")
        member = zlib.decompressobj(_GZIP)
        try:
            piece = member.decompress(body, left)
        except zlib.error:
            raise InvalidBodyError(
                "the Content-Encoding is gzip, but the body is not valid gzip"
            ) from None
        pieces.append(piece)
        left -= len(piece)
        if not left:
            raise RequestTooLargeError(f"{_TOO_LARGE} after it is inflated")
        if not member.eof:
            raise InvalidBodyError("the gzip body ends early")
        body = member.unused_data.lstrip(b"\0")  # zero bytes may follow a member
    return b"".join(pieces)


# Not Falcon's parser: it refuses the header Content-Transfer-Encoding, which some clients send, and
# ignores parts after the closing boundary.
def parse_multipart(body: bytes, boundary: str) -> list[Pair]:
    """Return the fields of a multipart form, without attached files.

    Raises:
        RequestTooLargeError: the form has more than `MAX_PARTS` parts.
        InvalidBodyError: the closing boundary is missing, data follows it, or a part has no header.
            So no part of a form is ignored without an error.
    """
    delimiter = b"\r\n--" + boundary.encode("utf-8", "replace")
    _, *parts = (b"\r\n" + body).split(delimiter, MAX_PARTS + 2)
    fields: list[Pair] = []
    for number, part in enumerate(parts):
        if part.startswith(b"--"):
            if number + 1 < len(parts) or part[2:].strip(b" \t\r\n"):
                raise InvalidBodyError("the multipart form has data after its closing boundary")
            return fields
        if number == MAX_PARTS:
            raise RequestTooLargeError(f"a form may have at most {MAX_PARTS} parts")
        if field := _parse_part(part):
            fields.append(field)
    raise InvalidBodyError("the multipart form has no closing boundary")


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
        return b""  # the end of such a body is unknown
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
        raise InvalidBodyError("the Content-Length is not a number")
    return int(text.lstrip("0")[:20] or "0")


def _read_at_most(stream: Readable, size: int) -> bytes:
    pieces: list[bytes] = []
    try:
        while size and (piece := stream.read(min(size, _CHUNK))):
            pieces.append(piece)
            size -= len(piece)
    except OSError:
        raise InvalidBodyError("the body could not be read to the end") from None
    return b"".join(pieces)
