"""Reads request bodies to their end on the event loop, so that no thread waits for a client."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from http_server.connections import Connection, Connections, Reading

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class NoRoomError(Exception):
    """A limit of the client or of the server leaves no room for the body."""


class DisconnectedError(Exception):
    """The connection was closed, by either side, before the body was complete."""


async def read_body(
    receive: Receive, connections: Connections, connection: Connection, declared: int | None
) -> bytes:
    """Return a request's body.

    If ``Content-Length`` is over the limit, the result is empty. If a body without a length is over
    the limit, the result is its first ``body_bytes + 1`` bytes. The application refuses both, and
    uvicorn discards the rest as it arrives.

    Args:
        receive: ASGI's function for the parts of the body.
        connections: counts the body.
        connection: the connection of the request.
        declared: the ``Content-Length``, None without one.

    Raises:
        NoRoomError: a limit is reached.
        DisconnectedError: the connection was closed before the body was complete.
    """
    longest = connections.limits.body_bytes
    if declared is not None and declared > longest:
        return b""
    if connection.reading is Reading.NOTHING:  # all of it has arrived
        body, _ = await _receive_part(receive, connection)
        return body[: longest + 1]
    if not connections.begin_body(connection):
        raise NoRoomError
    try:
        parts: list[bytes] = []
        size, is_complete = 0, False
        while not is_complete and size <= longest:
            part, is_complete = await _receive_part(receive, connection)
            parts.append(part)
            size += len(part)
    finally:
        connections.end_body(connection)
    return b"".join(parts)[: longest + 1]


async def _receive_part(receive: Receive, connection: Connection) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] != "http.request":
        raise DisconnectedError
    if connection.has_no_room:
        raise NoRoomError
    return message["body"], not message["more_body"]
