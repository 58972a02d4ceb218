"""Reads request bodies to their end on the event loop, so that no thread waits for a client."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from http_server.connections import Connection, Connections, Reading

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class LimitReachedError(Exception):
    """A limit on request bodies, of the client or of the server, is reached."""


class DisconnectedError(Exception):
    """The connection was closed, by either side, before the body was complete."""


async def read_body(
    receive: Receive, connections: Connections, connection: Connection, declared: int | None
) -> bytes:
    """Return the body of a request.

    If ``Content-Length`` is over `Limits.body_bytes`, the result is empty. If a body without a
    length is over this limit, the result is its first ``body_bytes + 1`` bytes. The application
    refuses both, and uvicorn discards the rest as it arrives.

    Args:
        receive: ASGI's function that returns the next part of the body.
        connections: counts the body.
        connection: the connection of the request.
        declared: the ``Content-Length``; None if the request has none.

    Raises:
        LimitReachedError: a limit is reached.
        DisconnectedError: the connection was closed before the body was complete.
    """
    longest = connections.limits.body_bytes
    if declared is not None and declared > longest:
        return b""
    if connection.reading is Reading.NOTHING:  # the whole body has arrived
        body, _ = await _receive_part(receive, connection)
        return body[: longest + 1]
    if not connections.begin_body(connection):
        raise LimitReachedError
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
    if connection.limit_reached:
        raise LimitReachedError
    return message["body"], not message["more_body"]
