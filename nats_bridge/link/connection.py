"""Connects to NATS, and connects again after each failure.

nats-py reconnects by itself, with a pause that `_Link` chooses. It does not reconnect in two cases:
the server ended the connection with an error, or the client waits for ever for a dead connection to
close. `run_connected` detects both and connects a new client.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from nats import errors
from nats.aio.client import Client, Server

from nats_bridge.link.library_logs import limit_library_logs
from nats_bridge.link.link_errors import LinkError, explain_link
from nats_bridge.link.link_state import LinkState
from nats_bridge.link.login import login_options
from nats_bridge.link.tls_context import CurrentFiles
from nats_bridge.link.tolerant_client import TolerantClient
from pipeline.runtime.links.connection_limits import NATS
from pipeline.settings.sections import NatsSettings

FIRST_PAUSE: Final = 0.25
"""Seconds after the first failed attempt at all servers; each further pause is twice as long."""

LONGEST_PAUSE: Final = 10.0

ATTEMPT: Final = 4.0 * NATS.connect + 2.0
"""Maximum time of an attempt to connect, in seconds."""

CLOSING: Final = 3.0
"""Maximum time in seconds for the end of a connection, after which the client is abandoned."""

FAILED_CLOSING: Final = 0.25
"""The same for an attempt that failed. A connection whose TLS failed never ends for nats-py."""

STUCK: Final = 4 * LONGEST_PAUSE
"""Seconds without an attempt to connect after which a client without a connection is abandoned."""

CANCEL_INTERVAL: Final = 0.05
"""Seconds between two cancellations of a task."""

FOR_EVER: Final = 1e6
"""Pause in seconds of a client that is not used any more."""

WATCH_INTERVAL: Final = 0.5
"""Seconds between two checks of a client."""

Result = TypeVar("Result")


async def connect(settings: NatsSettings, link: LinkState, *, name: str) -> Client:
    """Return a connected client. Attempts end only with a connection or by cancellation.

    The client connects again by itself for as long as it is not closed. A server can close it for
    ever (``client.is_closed``), for example when it does not accept the user any more;
    `run_connected` connects a new client then.

    Args:
        settings: the settings.
        link: gets each change of the connection.
        name: the name of the client in the server's monitoring.
    """
    return await _Link(settings, link, name).connect()


async def connect_once(settings: NatsSettings, *, name: str, seconds: float = ATTEMPT) -> Client:
    """Return a connected client, for a command.

    Raises:
        LinkError: no server is usable within the time. The text has the reason, without secrets.
    """
    link = LinkState(logs=False)
    try:
        async with asyncio.timeout(seconds):
            return await connect(settings, link, name=name)
    except TimeoutError:
        raise LinkError(f"NATS at {link.problem or 'its servers: no answer in time'}") from None


async def run_connected(
    settings: NatsSettings,
    link: LinkState,
    run: Callable[[Client], Awaitable[Result]],
    *,
    name: str,
) -> Result:
    """Run a coroutine with a connected client, and again with a new client if that one is closed.

    `run` is cancelled if its client cannot connect again. It starts anew with the new client.
    Its result, and each of its errors while the client is open, end this function.

    Args:
        settings: the settings.
        link: gets each change of the connection.
        run: gets the client.
        name: the name of the client in the server's monitoring.
    """
    connection = _Link(settings, link, name)
    try:
        while True:
            client = await connection.connect()
            work = asyncio.ensure_future(run(client))
            watch = asyncio.ensure_future(connection.watch(client))
            try:
                await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
                if work.done() and not _ended_by_close(work, client):
                    return work.result()
            finally:
                for task in (work, watch):
                    task.cancel()
                await asyncio.gather(work, watch, return_exceptions=True)
                await connection.discard(client)
    finally:
        link.ended()


def _ended_by_close(work: asyncio.Future[Any], client: Client) -> bool:
    if work.cancelled() or not client.is_closed:
        return False
    return isinstance(work.exception(), errors.Error)


@dataclass
class _Attempt:
    """The first connection of a client.

    Attributes:
        failed: set at the first error.
        has_succeeded: whether there was a connection.
    """

    failed: asyncio.Event = field(default_factory=asyncio.Event)
    has_succeeded: bool = False


class _Link:
    """Opens connections, and chooses server and pause of each attempt.

    Args:
        settings: the settings.
        state: gets each change.
        name: the name of the client.
    """

    def __init__(self, settings: NatsSettings, state: LinkState, name: str) -> None:
        self._settings = settings
        self._state = state
        self._name = name
        self._tls = CurrentFiles.of(settings) if settings.uses_tls else None
        self._client: Client | None = None
        self._latest: str | None = None
        self._address = ""
        self._turn = 0
        self._failures = 0
        self._attempted = time.monotonic()

    async def connect(self) -> Client:
        """Return a connected client. Attempts end only with a connection or by cancellation."""
        limit_library_logs()
        self._failures = 0
        while True:
            client = TolerantClient()
            self._client = client
            if await self._attempt(client):
                self._established(client)
                return client
            await asyncio.sleep(self._next_pause(len(self._settings.servers)))

    async def watch(self, client: Client) -> None:
        """Return when a client is closed or cannot connect again."""
        seen = time.monotonic()
        while not client.is_closed:
            await asyncio.sleep(WATCH_INTERVAL)
            now = time.monotonic()
            if client.is_connected:
                seen = now
            elif self._state.connected and now - seen > CLOSING:
                break  # nats-py waits for the end of the lost connection
            elif now - max(seen, self._attempted) > STUCK:
                break
        self._state.lost(self._last_problem(client))

    async def discard(self, client: Client, seconds: float = CLOSING) -> None:
        """Close a client; give up after a time limit. Its callbacks have no effect any more."""
        self._client = None
        closing = asyncio.ensure_future(client.close())
        await asyncio.wait({closing}, timeout=seconds)
        if not closing.done():
            closing.cancel()
        elif not closing.cancelled():
            closing.exception()  # a lost connection cannot be closed in order

    async def _attempt(self, client: Client) -> bool:
        """Connect to one server; return whether that succeeded."""
        attempt = _Attempt()
        first = self._turn % len(self._settings.servers)
        servers = [*self._settings.servers[first:], *self._settings.servers[:first]]
        self._begin_attempt(servers[0].partition("://")[2])
        task = asyncio.ensure_future(client.connect(**self._options(client, servers, attempt)))
        waiter = asyncio.ensure_future(attempt.failed.wait())
        try:
            await asyncio.wait({task, waiter}, timeout=ATTEMPT, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                error = task.exception()
                attempt.has_succeeded = error is None and client.is_connected
                if not attempt.has_succeeded:
                    self._failed(error or errors.UnexpectedEOF())
            elif not attempt.failed.is_set():
                self._failed(errors.TimeoutError())
            return attempt.has_succeeded
        finally:
            waiter.cancel()
            if not attempt.has_succeeded:
                # It continues if this task is cancelled meanwhile.
                await asyncio.shield(self._end_attempt(client, task))

    async def _end_attempt(self, client: Client, task: asyncio.Future[None]) -> None:
        await _cancel(task)
        await self.discard(client, FAILED_CLOSING)

    def _options(self, client: Client, servers: list[str], attempt: _Attempt) -> dict[str, Any]:
        """Return the arguments of `Client.connect`."""

        async def on_error(error: Exception) -> None:
            if attempt.has_succeeded:
                if self._client is client:
                    self._report(client, error)
                return
            if not attempt.failed.is_set():
                self._failed(error)
                attempt.failed.set()
            # Here, a cancellation of the client is never lost; see `_cancel`.
            await asyncio.Event().wait()

        async def on_disconnect() -> None:
            if self._client is client:
                self._failures = 0
                self._state.lost(self._last_problem(client))

        async def on_reconnect() -> None:
            if self._client is client:
                self._established(client)

        return {
            "servers": servers,
            "name": self._name,
            "error_cb": on_error,
            "disconnected_cb": on_disconnect,
            "reconnected_cb": on_reconnect,
            "reconnect_to_server_handler": partial(self._choose, client),
            "dont_randomize": True,
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": 0,
            "connect_timeout": NATS.connect,
            "ping_interval": NATS.ping_interval,
            "max_outstanding_pings": NATS.unanswered_pings,
            "flush_timeout": NATS.reply,
            **login_options(self._settings, self._tls),
        }

    def _choose(
        self, client: Client, servers: list[Server], _info: dict[str, Any]
    ) -> tuple[Server, float]:
        """Return the server of the next attempt to reconnect, and the pause before it."""
        if self._client is not client:  # it is discarded, and its cancellation was lost
            return servers[0], FOR_EVER
        pause = self._next_pause(len(servers))
        server = servers[self._turn % len(servers)]
        self._begin_attempt(server.uri.netloc, pause)
        return server, pause

    def _begin_attempt(self, address: str, pause: float = 0.0) -> None:
        self._address = address
        self._turn += 1
        self._attempted = time.monotonic() + pause
        if self._tls is not None:
            self._tls.forget_handshake()

    def _next_pause(self, servers: int) -> float:
        """Return the seconds to wait before the next attempt, which grow with the failures."""
        rounds, place = divmod(self._failures, servers)
        self._failures += 1
        if place or not rounds:
            return 0.0
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(rounds, 10))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads the attempts of many hosts

    def _report(self, client: Client, error: Exception) -> None:
        """Record an error that the callback of nats-py got."""
        if not client.is_connected:
            self._failed(error)
        elif isinstance(error, errors.StaleConnectionError):  # `on_disconnect` follows
            self._latest = explain_link(error)
        else:
            self._state.warned(f"{self._address}: {explain_link(error)}")

    def _failed(self, error: BaseException) -> None:
        text = explain_link(error, begins_tls=self._tls is not None)
        self._state.failed(f"{self._address}: {text}")

    def _last_problem(self, client: Client) -> str:
        """Return why a connection is lost."""
        error = client.last_error
        known = self._latest if error is None else explain_link(error)
        return f"{self._address}: {known or 'the server does not answer, or the link is broken'}"

    def _established(self, client: Client) -> None:
        self._failures = 0
        self._latest = None
        url = client.connected_url
        self._address = url.netloc if url is not None else self._address
        self._state.established(self._address)


async def _cancel(task: asyncio.Future[Any]) -> None:
    """Cancel a task of nats-py, which can lose a cancellation; give up after a time limit."""
    for _ in range(round(CLOSING / CANCEL_INTERVAL)):
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_INTERVAL)
        if task.done():
            return
