"""The bridge between the event loop and the threads limits the waits of a request."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from http_server.connections import Connection, Connections
from http_server.lanes import Lane
from http_server.limits import Limits
from http_server.replies import Refusals, json_reply
from http_server.wsgi import WsgiBridge

QUEUE_TIME = 0.4


class Bridge:
    """A bridge with one thread for most paths, and requests to it.

    Attributes:
        go_on: ends the requests of the path ``/hang``.
    """

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.connections = Connections(Limits(requests_per_client=1))
        self.bridge = WsgiBridge(
            self._application,
            self.connections,
            refusals=Refusals(lambda *_: b"{}"),
            fixed={"/alive": json_reply(204, b"")},
            threads=1,
            lanes=[Lane("health", frozenset({"/_health"}), 1)],
            queue_time=QUEUE_TIME,
        )

    def connection(self, client: str) -> Connection:
        """Return an open connection of a client."""
        made = Connection(client, lambda: None, since=0.0)
        assert self.connections.add(made)
        return made

    async def get(self, path: str, connection: Connection) -> int:
        """Return the status of the reply to a request."""
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "state": {"connection": connection},
            "method": "GET",
            "scheme": "http",
            "http_version": "1.1",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [],
            "server": None,
            "client": None,
        }
        await self.bridge(scope, receive, send)
        return int(sent[0]["status"])

    async def enforce(self) -> None:
        """Refuse late requests, as the server does regularly."""
        while True:
            await asyncio.sleep(0.01)
            self.bridge.refuse_late_requests()

    def _application(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/hang":
            self.go_on.wait(30)
        start("200 OK", [])
        return [b""]


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    """Return a bridge whose thread a request of ``/hang`` can take."""
    made = Bridge()
    yield made
    made.go_on.set()
    made.bridge.close()


def test_the_waits_for_a_slot_and_for_a_thread_have_one_limit(bridge: Bridge) -> None:
    """A request that gets its client's slot late does not wait for a thread for the full time."""

    async def call() -> tuple[int, float]:
        enforcing = asyncio.create_task(bridge.enforce())
        hanging = asyncio.create_task(bridge.get("/hang", bridge.connection("10.0.0.1")))
        own = bridge.connection("10.0.0.2")
        slots = bridge.connections.slots(own)
        assert isinstance(slots, asyncio.Semaphore)
        await slots.acquire()
        asyncio.get_running_loop().call_later(QUEUE_TIME * 0.75, slots.release)
        begun = time.monotonic()
        status = await bridge.get("/", own)
        waited = time.monotonic() - begun
        bridge.go_on.set()
        assert await hanging == 200
        enforcing.cancel()
        with suppress(asyncio.CancelledError):
            await enforcing
        return status, waited

    status, waited = asyncio.run(call())
    assert status == 503
    assert QUEUE_TIME * 0.75 < waited < QUEUE_TIME * 1.5


def test_a_path_with_further_slashes_has_the_same_lane_and_the_same_reply(bridge: Bridge) -> None:
    """A health check with a slash at its end needs no thread of other requests."""

    async def call() -> list[int]:
        hanging = asyncio.create_task(bridge.get("/hang", bridge.connection("10.0.0.1")))
        own = bridge.connection("10.0.0.2")
        paths = ("/_health", "/_health/", "//_health", "/alive/", "//alive")
        async with asyncio.timeout(10):
            statuses = [await bridge.get(path, own) for path in paths]
        assert not hanging.done()
        bridge.go_on.set()
        await hanging
        return statuses

    assert asyncio.run(call()) == [200, 200, 200, 204, 204]
