"""One request and its reply: the body within limits, both in the format that was negotiated."""

from typing import Final

import falcon

from index_server.errors import BadRequestError, BodyTooLargeError, IndexServerError
from index_server.http.formats import Format, Message, decode, encode, reply_format, request_format

MAX_BODY: Final = 16 * 1024 * 1024
"""Bytes that the body of a request may have."""

_CHUNK: Final = 256 * 1024


class Exchange:
    """What a request says of itself before its body is read."""

    def __init__(self, req: falcon.Request) -> None:
        self._req = req
        self._content_type = req.get_header("Content-Type")
        is_chunked = req.content_length is None and req.get_header("Transfer-Encoding")
        self._has_body = bool(req.content_length or is_chunked)

    def message(self) -> tuple[object, Format]:
        """Return what the body holds, and the format it came in.

        Raises:
            UnsupportedMediaTypeError: it is neither JSON nor MessagePack.
            BadRequestError: there is none, it ends early, or it cannot be decoded.
            BodyTooLargeError: it has more than `MAX_BODY` bytes.
        """
        form = request_format(self._content_type, has_body=self._has_body)
        body = _read_body(self._req) if self._has_body else b""
        if not body:
            raise BadRequestError
        return decode(body, form), form

    def message_or_nothing(self) -> tuple[object, Format]:
        """Return what the body holds, an empty message where there is none.

        Raises:
            UnsupportedMediaTypeError, BadRequestError, BodyTooLargeError: as for `message`.
        """
        return self.message() if self._has_body else ({}, Format.JSON)

    def reply(self, resp: falcon.Response, message: Message) -> None:
        """Write a reply in the client's format."""
        accept = self._req.get_header("Accept")
        form = reply_format(accept, self._content_type, has_body=self._has_body)
        resp.data = encode(message, form)
        resp.content_type = form.value


def write_error(req: falcon.Request, resp: falcon.Response, error: IndexServerError) -> None:
    """Write an error in the client's format; a HEAD gets the status alone."""
    resp.status = falcon.code_to_http_status(error.status)
    if req.method != "HEAD":
        Exchange(req).reply(resp, {"error": error.name()})


def _read_body(req: falcon.Request) -> bytes:
    length = req.content_length
    if length is not None and length > MAX_BODY:
        raise BodyTooLargeError
    room = MAX_BODY + 1 if length is None else length
    pieces: list[bytes] = []
    try:
        while room and (piece := req.env["wsgi.input"].read(min(room, _CHUNK))):
            pieces.append(piece)
            room -= len(piece)
    except OSError:
        raise BadRequestError from None
    if length is None and not room:
        raise BodyTooLargeError
    if length is not None and room:
        raise BadRequestError
    return b"".join(pieces)
