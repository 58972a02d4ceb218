"""Request bodies: read to their end on the event loop, so that no thread waits for a client."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from http_server.connections import Connection, Connections, Reading

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class NoRoomError(Exception):
    """There is no room for the body: a limit of the client or of the server is reached."""


class DisconnectedError(Exception):
    """The client closed the connection, or was cut off, before its body was complete."""


async def read_body(
    receive: Receive, connections: Connections, connection: Connection, declared: int | None
) -> bytes:
    """Return a request's body.

    For a body over the limit it is empty if ``Content-Length`` declared it, and otherwise the first
    ``body_bytes + 1`` bytes. The application refuses both. uvicorn drops the rest as it arrives.

    Args:
        receive: the request's, of ASGI.
        connections: which count it.
        connection: the request's.
        declared: the ``Content-Length``, None without one.

    Raises:
        NoRoomError: a limit is reached.
        DisconnectedError: the body is incomplete, and will remain so.
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
