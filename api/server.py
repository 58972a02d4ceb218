"""Serves the application with `http_server`, for ``acoustid serve``."""

import json
import socket
from collections.abc import Callable
from typing import Final

from api.app import create_app
from api.front_end import FrontEnd
from api.health.endpoint import ALIVE, HEALTH_PATHS, LIVENESS
from api.http.bodies import MAX_BODY
from api.http.errors import InvalidBodyError, ServiceUnavailableError
from api.http.serialisation import JSON
from http_server.lanes import Lane
from http_server.limits import Limits
from http_server.replies import Reply, json_reply
from http_server.server import ServerOptions, run
from pipeline.settings.sections import Settings

LOOKUP_PATHS: Final = frozenset({"/v2/lookup", "/lookup"})
"""The paths whose requests rarely wait for PostgreSQL."""

SUBMIT_PATHS: Final = frozenset({"/v2/submit", "/submit"})
"""The paths with a time limit of their own."""

HEALTH_THREADS: Final = 8
"""Number of threads for the health checks. A check that hangs delays each by 2 s at most, once."""


def serve(front_end: FrontEnd, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve the web service until SIGTERM or SIGINT.

    After SIGTERM it serves for `[api] drain_time` more seconds, in which the health checks fail.

    Args:
        front_end: the resources of this process; this function does not close them.
        listener: a listening socket.
        on_ready: called when the server accepts connections.
    """
    options = ServerOptions(
        limits=limits_of(front_end.settings),
        threads=front_end.settings.http.threads,
        describe=describe_error,
        fixed={LIVENESS: liveness_reply()},
        lanes=lanes_of(front_end.settings),
        queue_time=front_end.settings.api.lookup_timeout,
        drain_time=front_end.settings.api.drain_time,
        on_drain=front_end.health.stop,
    )
    run(create_app(front_end), listener, options, on_ready)


def lanes_of(settings: Settings) -> tuple[Lane, ...]:
    """Return the groups of paths.

    Requests that wait for PostgreSQL take no thread of lookups. Neither takes one of the health
    checks. A request waits for a thread until the time limit of its reply.
    """
    others, submit = settings.api.lookup_timeout, settings.api.submit_timeout
    return (
        Lane("lookup", LOOKUP_PATHS, settings.http.threads, others),
        Lane("submit", SUBMIT_PATHS, None, submit),
        Lane("health", frozenset(HEALTH_PATHS), HEALTH_THREADS, others),
    )


def limits_of(settings: Settings) -> Limits:
    """Return the limits of the HTTP server that the settings have."""
    http = settings.http
    return Limits(
        connections=http.connections,
        connections_per_client=http.connections_per_client,
        requests_per_client=http.requests_per_client,
        half_read_bodies=http.half_read_bodies,
        half_read_bodies_per_client=http.half_read_bodies_per_client,
        buffered_bytes=http.buffered_bytes,
        buffered_bytes_per_client=http.buffered_bytes_per_client,
        body_bytes=MAX_BODY,
        header_time=http.header_timeout,
        idle_time=http.idle_timeout,
        body_time=http.body_timeout,
        body_rate=http.body_rate,
        reply_time=http.reply_timeout,
        per_client=settings.api.trusted_proxies == 0,
    )


def describe_error(status: int, message: str) -> bytes:
    """Return the body of an error that the HTTP server sends without the application."""
    kind = ServiceUnavailableError if status == 503 else InvalidBodyError
    error = {"code": kind.code, "message": message}
    return json.dumps({"status": "error", "error": error}).encode("ascii")


def liveness_reply() -> Reply:
    """Return the reply to the liveness check, which only shows that the event loop runs.

    It needs no thread, so it is sent under any load.
    """
    return json_reply(ALIVE.status, JSON.write(ALIVE.body()))
