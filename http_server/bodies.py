"""Request bodies: read to their end on the event loop, so that no thread waits for a client."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from http_server.connections import Connection, Connections

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class NoRoomError(Exception):
    """There is no room for the body: a limit of the client or of the server is reached."""


class DisconnectedError(Exception):
    """The client closed the connection, or was cut off, before its body was complete."""


async def read_body(
    receive: Receive, connections: Connections, connection: Connection, declared: int | None
) -> bytes:
    """Return a request's body.

    Of one that is too long it is empty if its length was declared, and else its first bytes, one
    more than allowed. The application refuses both. uvicorn drops the rest as it arrives.

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
    body, is_complete = await _receive_part(receive, connections, connection)
    if is_complete:
        return body[: longest + 1]
    if not connections.begin_body(connection):
        raise NoRoomError
    try:
        parts, size = [body], len(body)
        while not is_complete and size <= longest:
            body, is_complete = await _receive_part(receive, connections, connection)
            parts.append(body)
            size += len(body)
    finally:
        connections.end_body(connection)
    return b"".join(parts)[: longest + 1]


async def _receive_part(
    receive: Receive, connections: Connections, connection: Connection
) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] != "http.request":
        raise DisconnectedError
    body: bytes = message["body"]
    if body and not connections.buffer(connection, len(body)):
        raise NoRoomError
    return body, not message["more_body"]
