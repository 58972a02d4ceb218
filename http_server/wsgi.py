"""WSGI behind ASGI: complete requests go to threads, replies come back to the event loop."""

import asyncio
import io
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from http_server.bodies import DisconnectedError, NoRoomError, Receive, read_body
from http_server.connections import Connection, Connections
from http_server.replies import Reply

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ARRIVED: Final = "http_server.arrived"
"""Key of the environment: when the request was complete, on the monotonic clock."""

PART: Final = 64 * 1024
"""Bytes of a reply that are handed to the connection at a time."""

_PLAIN: Final = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


@dataclass(slots=True)
class _Response:
    """What the application answers; `rest` yields what follows `body`, if anything does."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    rest: Iterator[bytes] | None = None
    close: Callable[[], None] | None = None

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], None]:
        """Be WSGI's ``start_response``."""
        del exc_info  # nothing has been sent by then
        self.status = int(status[:3])
        self.headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers
        ]
        return self.write

    def write(self, data: bytes) -> None:
        """Be the function that ``start_response`` returns."""
        self.body += data


class WsgiBridge:
    """The ASGI application that runs a WSGI application in threads.

    Args:
        application: to run.
        connections: of the server.
        busy: the reply where there is no room for a request.
        fixed: replies by path that need no thread, such as that of a liveness check.
        threads: requests that the application works on at a time.
    """

    def __init__(
        self,
        application: Application,
        connections: Connections,
        *,
        busy: Reply,
        fixed: Mapping[str, Reply],
        threads: int,
    ) -> None:
        self._application = application
        self._connections = connections
        self._busy = busy
        self._fixed = fixed
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        connection: Connection = scope["state"]["connection"]
        reply = self._fixed.get(scope["path"])
        try:
            if reply is None:
                await self._run(scope, receive, send, connection)
            else:
                await _send_reply(reply, send, connection)
        except NoRoomError:
            await _send_reply(self._busy, send, connection)
        except DisconnectedError:
            return
        finally:
            self._connections.release(connection)
            connection.end_request(_now())

    def close(self) -> None:
        """End the threads once they have no request."""
        self._threads.shutdown()

    async def _run(
        self, scope: Scope, receive: Receive, send: Send, connection: Connection
    ) -> None:
        environ, declared = _environ(scope)
        body = await read_body(receive, self._connections, connection, declared)
        if declared is None and body:
            environ["CONTENT_LENGTH"] = str(len(body))
        environ["wsgi.input"] = io.BytesIO(body)
        environ[ARRIVED] = time.monotonic()
        async with self._connections.turns(connection):
            response = await self._in_thread(environ, connection)
        loop = asyncio.get_running_loop()
        try:
            await _send(response, send, connection, self._next)
        finally:
            if response.close is not None:
                await loop.run_in_executor(self._threads, response.close)

    async def _in_thread(self, environ: Environ, connection: Connection) -> _Response:
        """Return the application's response.

        Raises:
            DisconnectedError: the client left before a thread was free.
        """
        if not self._connections.is_open(connection):
            raise DisconnectedError
        future = self._threads.submit(self._call, environ)
        connection.cancel = future.cancel
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if future.cancelled():
                raise DisconnectedError from None
            raise

    def _call(self, environ: Environ) -> _Response:
        response = _Response()
        parts = self._application(environ, response.start)
        response.close = getattr(parts, "close", None)
        if isinstance(parts, list | tuple):
            response.body += parts[0] if len(parts) == 1 else b"".join(parts)
        else:
            response.rest = iter(parts)
        return response

    async def _next(self, parts: Iterator[bytes]) -> bytes | None:
        """Return the next part of a reply, None after the last."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, next, parts, None)


async def _send_reply(reply: Reply, send: Send, connection: Connection) -> None:
    connection.writing_since = _now()
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": reply.body})


async def _send(
    response: _Response,
    send: Send,
    connection: Connection,
    advance: Callable[[Iterator[bytes]], Awaitable[bytes | None]],
) -> None:
    connection.writing_since = _now()
    await send(
        {"type": "http.response.start", "status": response.status, "headers": response.headers}
    )
    if response.rest is None:
        await _send_body(response.body, send, connection, more=False)
        return
    await _send_body(response.body, send, connection, more=True)
    connection.writing_since = None
    while (part := await advance(response.rest)) is not None:
        await _send_body(part, send, connection, more=True)
        connection.writing_since = None
    await send({"type": "http.response.body", "body": b""})


async def _send_body(body: bytes, send: Send, connection: Connection, *, more: bool) -> None:
    """Send bytes; the client has its time anew for each part."""
    start = 0
    while len(body) - start > PART:
        connection.writing_since = _now()
        part = body[start : start + PART]
        await send({"type": "http.response.body", "body": part, "more_body": True})
        start += PART
    if start < len(body) or not more:
        connection.writing_since = _now()
        await send({"type": "http.response.body", "body": body[start:], "more_body": more})


def _now() -> float:
    return asyncio.get_running_loop().time()


def _environ(scope: Scope) -> tuple[Environ, int | None]:
    """Return WSGI's environment without the body, and the declared length of that."""
    raw_path: bytes = scope["raw_path"]
    server, client = scope["server"] or ("", 0), scope["client"] or ("", 0)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": (unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path).decode(
            "latin-1"
        ),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        name = _NAMES.get(raw_name) or _variable(raw_name)
        if name is None:
            continue
        value = raw_value.decode("latin-1")
        environ[name] = f"{environ[name]},{value}" if name in environ else value
    length = environ.get("CONTENT_LENGTH", "")
    return environ, int(length) if length.isdigit() else None


_NAMES: Final = {
    name.encode("ascii"): _PLAIN.get(name, "HTTP_" + name.upper().replace("-", "_"))
    for name in ("host", "user-agent", "accept", "accept-encoding", "connection", *_PLAIN)
}
"""Variables of the commonest headers, for speed."""


def _variable(name: bytes) -> str | None:
    """Return the variable of a header, None for one that could pose as another one."""
    if b"_" in name:
        return None
    return "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
