"""Replies that the HTTP server sends without calling the application."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final, NamedTuple

Describe = Callable[[int, str], bytes]
"""Returns the JSON body of an error, given its HTTP status and a message in ASCII."""

JSON: Final = b"application/json; charset=UTF-8"

STOPPING: Final = "the server is stopping: send the request again"
"""The message to a request that the server has not answered when its time to stop is over."""


class Reply(NamedTuple):
    """A complete reply.

    Attributes:
        status: the HTTP status.
        headers: pairs of a name and a value, including ``Content-Length``.
        body: the body.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def json_reply(status: int, body: bytes, *further: tuple[bytes, bytes]) -> Reply:
    """Return a JSON reply that web pages of all origins may read (CORS)."""
    headers = [
        (b"content-type", JSON),
        (b"content-length", str(len(body)).encode("ascii")),
        (b"access-control-allow-origin", b"*"),
        *further,
    ]
    return Reply(status, headers, body)


class Refusals:
    """The errors that the server sends without calling the application.

    The replies of type `bytes` close the connection.

    Attributes:
        busy: a limit on request bodies is reached.
        stopping: the server ends before the application has answered.
        full: a limit on connections is reached.
        slow: a request did not arrive in time.
        incomplete: the client closed its side of the connection before a request was complete.
        long_headers: the headers are too long.
        malformed: the received bytes are not HTTP.

    Args:
        describe: returns the body of an error, in the application's format.
    """

    def __init__(self, describe: Describe) -> None:
        def refusal(status: int, message: str) -> bytes:
            return _closing(json_reply(status, describe(status, message)))

        message = "the server is receiving too many requests: try again later"
        self.busy = json_reply(503, describe(503, message), (b"retry-after", b"1"))
        self.stopping = json_reply(503, describe(503, STOPPING), (b"retry-after", b"1"))
        self.full = _closing(self.busy)
        self.slow = refusal(408, "the request did not arrive in time")
        self.incomplete = refusal(400, "the request ends before it is complete")
        self.long_headers = refusal(431, "the headers are too long")
        self.malformed = refusal(400, "the request is not valid HTTP")


def _closing(reply: Reply) -> bytes:
    """Return the bytes of a reply that closes the connection."""
    lines = [b"HTTP/1.1 %d %s\r\n" % (reply.status, HTTPStatus(reply.status).phrase.encode())]
    lines += [b"%s: %s\r\n" % header for header in reply.headers]
    return b"".join([*lines, b"connection: close\r\n\r\n", reply.body])
