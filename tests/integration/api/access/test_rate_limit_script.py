"""The rate limiter's script counts exactly when Redis loses it, restarts, or loses connections."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import redis

from api.access.rate_limit import Decision, RateLimiter
from api.access.redis_outage import RedisCircuitBreaker
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import RateLimiterSettings, RedisSettings, Settings
from tests.support.metrics import Counted
from tests.support.processes.scratch_redis import NUMBER, scratch_redis
from tests.support.processes.servers import PASSWORD, make_valkey, running, temporary_folder

HERE = "192.0.2.1"
LIMIT = 200
THREADS = 16


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with scratch_redis(settings) as client:
        yield client


def make_limiter(client: redis.Redis) -> RateLimiter:
    """Return a limiter with a constant time."""
    limits = RateLimiterSettings(global_limit=0, app_limit=0, ip_limit=LIMIT / 20)
    return RateLimiter(client, RedisCircuitBreaker(), limits, Counted(), lambda: 1_000_000_002.0)


def count(limiter: RateLimiter) -> Decision:
    decision = limiter.count(HERE, None)
    assert decision is not None
    return decision


def count_in_threads(limiter: RateLimiter, requests: int) -> list[int]:
    """Return the remaining requests after each request that passed, descending."""
    with ThreadPoolExecutor(THREADS) as pool:
        decisions = list(pool.map(lambda _: count(limiter), range(requests)))
    left = [each.state.remaining for each in decisions if each.passes]
    return sorted(left, reverse=True)


def test_a_flushed_script_is_sent_again(client: redis.Redis) -> None:
    limiter = make_limiter(client)
    for left in (199, 198, 197):
        client.script_flush()
        assert count(limiter).state.remaining == left


def test_threads_count_exactly_while_the_script_is_flushed(
    client: redis.Redis,
) -> None:
    limiter = make_limiter(client)
    done = threading.Event()

    def flush() -> None:
        while not done.is_set():
            client.script_flush()

    with ThreadPoolExecutor(1) as pool:
        flushing = pool.submit(flush)
        try:
            left = count_in_threads(limiter, LIMIT + 50)
        finally:
            done.set()
        flushing.result()
    assert left == list(range(LIMIT - 1, -1, -1))


def test_one_connection_is_enough_for_many_threads(client: redis.Redis) -> None:
    with client.client() as own:  # keeps one connection
        own.script_flush()
        assert count_in_threads(make_limiter(own), LIMIT + 50) == list(range(LIMIT - 1, -1, -1))


@pytest.mark.parametrize("durable", [True, False], ids=["append-only file", "memory alone"])
def test_no_request_fails_after_a_restart_of_redis(durable: bool) -> None:
    with temporary_folder() as folder:
        server = make_valkey(folder, durable=durable)
        settings = RedisSettings(host="127.0.0.1", port=server.port, password=PASSWORD)
        with connect(settings) as client:
            limiter = make_limiter(client)
            with running(server):
                assert len(count_in_threads(limiter, 40)) == 40
            with running(server):  # the client still has its connections to the first one
                counted = 40 if durable else 0
                left = count_in_threads(limiter, LIMIT + 50)
                assert left == list(range(LIMIT - counted - 1, -1, -1))


class LossyProxy:
    """A proxy for Redis that can lose replies.

    Attributes:
        losing: close the connection in place of the reply to the next script.
        lost: the number of lost replies.
    """

    def __init__(self, host: str, port: int) -> None:
        self._upstream = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.losing = False
        self.lost = 0

    def serve(self) -> None:
        """Serve connections, one at a time, until `close`."""
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with near, socket.create_connection(self._upstream) as far:
                self._forward(near, far)

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        while request := near.recv(65536):
            far.sendall(request)
            reply = far.recv(65536)
            if self.losing and b"EVAL" in request:
                self.losing = False
                self.lost += 1
                return
            near.sendall(reply)

    def close(self) -> None:
        """Accept no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def lossy_proxy(settings: RedisSettings) -> Iterator[tuple[LossyProxy, redis.Redis]]:
    proxy = LossyProxy(settings.host, settings.port)
    thread = threading.Thread(target=proxy.serve)
    thread.start()
    try:
        with connect(settings.model_copy(update={"port": proxy.port}), db=NUMBER) as client:
            yield proxy, client
    finally:
        proxy.close()
        thread.join(30)


def test_a_request_whose_reply_is_lost_counts_once(settings: Settings, client: redis.Redis) -> None:
    with lossy_proxy(settings.redis) as (proxy, lossy):
        limiter = make_limiter(lossy)
        assert count(limiter).state.remaining == 199
        for left in (198, 197):
            proxy.losing = True
            decision = count(limiter)
            assert decision.passes
            assert decision.state.remaining == left
        assert proxy.lost == 2
        assert count(make_limiter(client)).state.remaining == 196


def test_the_last_request_of_a_limit_passes_after_a_lost_reply(
    settings: Settings, client: redis.Redis
) -> None:
    assert len(count_in_threads(make_limiter(client), LIMIT - 1)) == LIMIT - 1
    with lossy_proxy(settings.redis) as (proxy, lossy):
        limiter = make_limiter(lossy)
        proxy.losing = True
        assert count(limiter).passes
        assert proxy.lost == 1
        proxy.losing = True
        assert not count(limiter).passes
