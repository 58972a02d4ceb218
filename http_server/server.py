"""Runs a WSGI application on a listening socket until SIGTERM or SIGINT.

After SIGTERM the server can serve for some more time (`ServerOptions.drain_time`), so that a load
balancer stops sending requests before the server refuses connections. SIGINT or a second signal
stops it without this time. While the server stops, SIGINT ends the wait for open requests, and
SIGTERM has no effect.
"""

import asyncio
import gc
import math
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import FrameType
from typing import Final

import structlog
import uvicorn
import uvloop

from http_server.connections import Connections
from http_server.lanes import Lane
from http_server.limits import Limits, connections_for, raise_file_limit
from http_server.listening import BACKLOG
from http_server.protocol import LimitedProtocol
from http_server.replies import Describe, Refusals, Reply
from http_server.wsgi import Application, WsgiBridge

CHECK_INTERVAL: Final = 0.5
"""Seconds between two checks of the time limits of all connections."""

GC_THRESHOLD: Final = 20_000
"""Number of new objects that starts a garbage collection; Python's default is 700."""

STOP_TIME: Final = 12.0
"""Maximum time in seconds for the remaining requests when the server stops."""

logger = structlog.get_logger("acoustid.http_server.server")


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Options of a server.

    Attributes:
        limits: the limits of the server and of one client.
        threads: number of threads that run the application.
        describe: returns the body of an error that the server sends without the application.
        fixed: replies that need no thread, by path.
        stop_time: maximum time in seconds for the remaining requests when the server stops.
        drain_time: seconds for which the server still serves after SIGTERM, before it stops.
        lanes: groups of paths with a time limit, or with threads of their own besides `threads`.
        queue_time: see `Lane`, for the paths that are in no lane.
        on_drain: called at SIGTERM in the event loop, when that time begins, if it is not 0.
    """

    limits: Limits
    threads: int
    describe: Describe
    fixed: Mapping[str, Reply] = field(default_factory=dict)
    stop_time: float = STOP_TIME
    drain_time: float = 0.0
    lanes: tuple[Lane, ...] = ()
    queue_time: float = math.inf
    on_drain: Callable[[], None] = lambda: None


class _DrainingServer(uvicorn.Server):
    """A server that serves for some time after SIGTERM. Then it closes all connections."""

    def __init__(
        self, config: uvicorn.Config, options: ServerOptions, connections: Connections
    ) -> None:
        super().__init__(config)
        self._options = options
        self._connections = connections
        self._is_draining = False
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal."""
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse new connections, and wait for the requests in progress.

        uvicorn asks the connections that it knows to close. The event loop can have accepted one
        more, whose `connection_made` it calls later. `LimitedProtocol` then reads `is_stopping`;
        otherwise the stop would wait for that connection until `ServerOptions.stop_time`.
        """
        self._connections.is_stopping = True
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain at the first SIGTERM; stop at another signal."""
        drains = sig == signal.SIGTERM and self._options.drain_time > 0
        if drains and not self._is_draining and self._loop is not None:
            self._is_draining = True
            self._loop.call_soon_threadsafe(self._drain, self._loop)
        else:
            super().handle_exit(sig, frame)

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        logger.info("the server stops after the drain time", seconds=self._options.drain_time)
        loop.call_later(self._options.drain_time, self._exit)
        self._options.on_drain()

    def _exit(self) -> None:
        self.should_exit = True


def run(
    application: Application,
    listener: socket.socket,
    options: ServerOptions,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT and the drain time, then answer the requests in progress.

    Args:
        application: the WSGI application; this function does not close it.
        listener: a listening socket; this function closes it.
        options: the options of the server.
        on_ready: called when the server accepts connections.
    """
    limits = _within_file_limit(options.limits)
    connections = Connections(limits)
    refusals = Refusals(options.describe)
    bridge = WsgiBridge(
        application,
        connections,
        refusals=refusals,
        fixed=options.fixed,
        threads=options.threads,
        lanes=options.lanes,
        queue_time=options.queue_time,
    )
    config = uvicorn.Config(
        bridge,
        http=_protocol_factory(connections, refusals),  # type: ignore[arg-type] # uvicorn calls it only
        ws="none",
        lifespan="off",
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=round(limits.idle_time),
        timeout_graceful_shutdown=round(options.stop_time),
    )
    server = _DrainingServer(config, options, connections)
    _collect_garbage_rarely()
    _stop_on_signals(server)
    try:
        uvloop.run(_serve(server, bridge, listener, on_ready))
    finally:
        bridge.close()


async def _serve(
    server: uvicorn.Server,
    bridge: WsgiBridge,
    listener: socket.socket,
    on_ready: Callable[[], None],
) -> None:
    enforcing = asyncio.create_task(_enforce_time_limits(server, bridge))
    notifying = asyncio.create_task(_notify_when_ready(server, on_ready))
    await server.serve(sockets=[listener])
    enforcing.cancel()
    notifying.cancel()


async def _enforce_time_limits(server: uvicorn.Server, bridge: WsgiBridge) -> None:
    """Close the connections and refuse the requests that exceed a time limit."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(CHECK_INTERVAL)
        bridge.refuse_late_requests()
        for protocol in list(server.server_state.connections):
            if isinstance(protocol, LimitedProtocol):
                _enforce(protocol, loop.time())


def _enforce(protocol: LimitedProtocol, now: float) -> None:
    try:
        protocol.enforce(now)
    except Exception:  # an error of one connection must not stop the other checks
        logger.exception("the limits of a connection could not be enforced")


async def _notify_when_ready(server: uvicorn.Server, on_ready: Callable[[], None]) -> None:
    while not server.started:
        await asyncio.sleep(0.01)
    on_ready()


def _protocol_factory(
    connections: Connections, refusals: Refusals
) -> Callable[..., LimitedProtocol]:
    make = partial(LimitedProtocol, connections, refusals)

    def protocol(
        config: uvicorn.Config,
        server_state: uvicorn.server.ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> LimitedProtocol:
        return make(config, server_state, app_state)

    return protocol


def _collect_garbage_rarely() -> None:
    """Exclude the loaded modules from garbage collection, and collect less often.

    Each request creates several hundred objects that a collection finds in use. With Python's
    defaults, a full collection of 70 ms delays all requests several times per second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


def _within_file_limit(limits: Limits) -> Limits:
    files = raise_file_limit()
    connections = connections_for(files, limits.connections)
    logger.info("limits of the server", open_files=files, connections=connections)
    return replace(limits, connections=connections)


def _stop_on_signals(server: uvicorn.Server) -> None:
    """Handle SIGTERM and SIGINT while uvicorn's own handlers are not installed.

    When uvicorn stops, it raises a second time the signals that it has handled. They must not end
    the process before the application is closed.
    """

    def stop(*_: object) -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
