"""An ASGI application that runs a WSGI application in threads."""

import asyncio
import io
import math
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from http_server.bodies import DisconnectedError, LimitReachedError, Receive, read_body
from http_server.connections import Connection, Connections
from http_server.lanes import Lane, Lanes
from http_server.paths import normal_path
from http_server.replies import Refusals, Reply
from http_server.slot_wait import slot_in_time
from http_server.threads import LoopThreads

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ARRIVED: Final = "http_server.arrived"
"""Key in the WSGI environment of the time when the request was complete (`time.monotonic`)."""

CLOSE: Final = (b"connection", b"close")

LAST_REPLY_TIME: Final = 0.5
"""Maximum time in seconds to write the reply to a request that is cut off by the stop."""

PART: Final = 64 * 1024
"""Maximum number of bytes of a reply that one call writes."""

_PLAIN: Final = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


@dataclass(slots=True)
class _Response:
    """The application's response; `rest` iterates over the parts after `body`."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    rest: Iterator[bytes] | None = None
    close: Callable[[], None] | None = None

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], None]:
        """Implement WSGI's ``start_response``."""
        del exc_info  # the headers can be replaced, since none has been sent
        self.status = int(status[:3])
        self.headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers
        ]
        return self.write

    def write(self, data: bytes) -> None:
        """Implement the function that ``start_response`` returns."""
        self.body += data


class WsgiBridge:
    """The ASGI application: a thread runs each request, the event loop sends the reply.

    Args:
        application: the WSGI application.
        connections: the connections of the server.
        refusals: the replies to a request that reaches a limit or is cut off by the stop.
        fixed: replies that need no thread, by path, such as the reply to a liveness check.
        threads: number of threads that run the application, apart from those of the lanes.
        lanes: groups of paths with a time limit or threads of their own.
        queue_time: see `Lane`, for the paths that are in no lane.
    """

    def __init__(
        self,
        application: Application,
        connections: Connections,
        *,
        refusals: Refusals,
        fixed: Mapping[str, Reply],
        threads: int,
        lanes: Iterable[Lane] = (),
        queue_time: float = math.inf,
    ) -> None:
        self._application = application
        self._connections = connections
        self._refusals = refusals
        self._fixed = fixed
        self._lanes = Lanes(threads, lanes, queue_time)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        connection: Connection = scope["state"]["connection"]
        loop = asyncio.get_running_loop()
        writer = _Writer(send, connection, loop)
        self._connections.begin_request(connection)
        try:
            path = normal_path(scope["path"])
            fixed = self._fixed.get(path)
            if fixed is not None:
                await writer.reply(fixed, close=_expects(scope))
            else:
                await self._run(scope, receive, writer, connection, self._lanes.of(path))
        except LimitReachedError:
            await writer.reply(self._refusals.busy, close=_expects(scope))
        except DisconnectedError:
            return
        except asyncio.CancelledError:
            await self._cut_off(writer)
        finally:
            self._connections.end_request(connection, loop.time())

    def close(self) -> None:
        """Wait for the running requests, and end the threads; see `LoopThreads.close`."""
        self._lanes.close()

    def refuse_late_requests(self) -> None:
        """Refuse the requests that have waited for a thread for too long."""
        self._lanes.refuse_late()

    async def _cut_off(self, writer: "_Writer") -> None:
        """Refuse a request that is unanswered when the time to stop is over; close its connection.

        A client that does not read would delay the end of the process, so this has a time limit.
        """
        writer.connection.cancel()
        if not writer.has_started:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_REPLY_TIME):
                    await writer.reply(self._refusals.stopping, close=True)
                    return
        writer.connection.close()

    async def _run(
        self,
        scope: Scope,
        receive: Receive,
        writer: "_Writer",
        connection: Connection,
        lane: tuple[LoopThreads, float],
    ) -> None:
        environ, declared = _environ(scope)
        body = await read_body(receive, self._connections, connection, declared)
        is_left = declared is not None and len(body) < declared
        if declared is None and body:
            environ["CONTENT_LENGTH"] = str(len(body))
        environ["wsgi.input"] = io.BytesIO(body)
        arrived = environ[ARRIVED] = time.monotonic()
        threads, queue_time = lane
        latest = arrived + queue_time
        async with slot_in_time(self._connections.slots(connection), latest):
            response = await self._in_thread(environ, connection, threads, writer.loop, latest)
        if is_left and _expects(scope):
            response.headers.append(CLOSE)
        try:
            await writer.start(response.status, response.headers)
            await writer.body(response.body, more=response.rest is not None)
            if response.rest is not None:
                await self._send_rest(response.rest, threads, writer)
        except asyncio.CancelledError:  # the process ends; all threads may be busy until then
            if response.close is not None:
                threads.submit(writer.loop, response.close)
                response.close = None
            raise
        finally:
            if response.close is not None:
                await threads.submit(writer.loop, response.close).future
        if response.rest is not None:
            await writer.body(b"", more=False)

    async def _in_thread(
        self,
        environ: Environ,
        connection: Connection,
        threads: LoopThreads,
        loop: asyncio.AbstractEventLoop,
        latest: float,
    ) -> _Response:
        """Return the application's response.

        Raises:
            DisconnectedError: the client closed the connection before a thread was free.
            LimitReachedError: no thread was free in time.
        """
        if not self._connections.is_open(connection):
            raise DisconnectedError
        call = threads.submit(loop, self._call, environ)
        call.latest = latest
        connection.cancel = call.cancel
        try:
            return await call.future
        except asyncio.CancelledError:
            if not self._connections.is_open(connection):
                raise DisconnectedError from None
            raise

    async def _send_rest(
        self, rest: Iterator[bytes], threads: LoopThreads, writer: "_Writer"
    ) -> None:
        """Send each part of a reply when a thread has produced it, while the connection is open."""
        while self._connections.is_open(writer.connection):
            part = await threads.submit(writer.loop, next, rest, None).future
            if part is None:
                return
            await writer.body(part, more=True)

    def _call(self, environ: Environ) -> _Response:
        response = _Response()
        parts = self._application(environ, response.start)
        close = getattr(parts, "close", None)
        if isinstance(parts, list | tuple):
            response.body += parts[0] if len(parts) == 1 else b"".join(parts)
            if close is not None:
                close()
        else:
            response.rest, response.close = iter(parts), close
        return response


@dataclass(slots=True)
class _Writer:
    """Writes a reply. The time limit for the client to read it restarts at each part."""

    send: Send
    connection: Connection
    loop: asyncio.AbstractEventLoop
    has_started: bool = False

    async def reply(self, reply: Reply, *, close: bool) -> None:
        """Write a complete reply; with `close` the connection is closed after it."""
        headers = [*reply.headers, CLOSE] if close else reply.headers
        await self.start(reply.status, headers)
        await self.body(reply.body, more=False)

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Write the headers."""
        self.has_started = True
        self.connection.writing_since = self.loop.time()
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def body(self, body: bytes, *, more: bool) -> None:
        """Write a part of the body; `more` is True if other parts follow."""
        last = max(0, len(body) - 1) // PART * PART
        for start in range(0, last, PART):
            await self._write(body[start : start + PART], more=True)
        if body or not more:
            await self._write(body[last:], more=more)
        self.connection.writing_since = None  # the application has not produced the next part yet

    async def _write(self, part: bytes, *, more: bool) -> None:
        self.connection.writing_since = self.loop.time()
        await self.send({"type": "http.response.body", "body": part, "more_body": more})


def _expects(scope: Scope) -> bool:
    """Return whether the request has the header ``Expect``.

    After a refusal, the client of such a request may send the body or omit it.
    """
    return any(name == b"expect" for name, _ in scope["headers"])


def _environ(scope: Scope) -> tuple[Environ, int | None]:
    """Return the WSGI environment, without ``wsgi.input``, and the ``Content-Length``."""
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
"""The variables of the most frequent headers, which are computed once."""


def _variable(name: bytes) -> str | None:
    """Return the variable of a header; None if its name has an underscore.

    WSGI replaces hyphens by underscores, so a name with an underscore could imitate another header.
    """
    if b"_" in name:
        return None
    return "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
