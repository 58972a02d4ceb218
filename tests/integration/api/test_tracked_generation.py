"""Tests that the generation in memory is always that of Redis, also after failures."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from api.access.redis_outage import RedisCircuitBreaker
from api.lookups import tracked_generation
from api.lookups.tracked_generation import TrackedGeneration
from cli.stack.servers.ports import LOOPBACK
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import RedisSettings, Settings
from tasks.redis_state.catalogue_generation import KEY
from tests.support.processes.scratch_redis import on_scratch, scratch_redis
from tests.support.processes.servers import PASSWORD, Servers, make_valkey, running


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with scratch_redis(settings):
        yield connect(on_scratch(settings).redis)


def change(client: redis.Redis, value: int) -> None:
    """Change the hash; after the reply to a second command, all connections were notified."""
    client.hset(KEY, "value", value)
    client.ping()


def readings(client: redis.Redis) -> int:
    """Return how often the hash has been read from the server."""
    return int(client.info("commandstats").get("cmdstat_hgetall", {"calls": 0})["calls"])


def test_every_change_is_seen_by_the_next_reading(client: redis.Redis) -> None:
    tracked = TrackedGeneration(client, RedisCircuitBreaker())
    assert tracked.read() == {}
    for value in range(200):
        change(client, value)
        assert tracked.read() == {b"value": b"%d" % value}
    client.delete(KEY)
    client.ping()
    assert tracked.read() == {}


def test_the_hash_is_read_only_after_a_change(client: redis.Redis) -> None:
    tracked = TrackedGeneration(client, RedisCircuitBreaker(), max_age=60)
    before = readings(client)
    for value in range(3):
        change(client, value)
        for _ in range(100):
            tracked.read()
    assert readings(client) == before + 3


def test_the_hash_is_read_again_after_its_maximum_age(client: redis.Redis) -> None:
    tracked = TrackedGeneration(client, RedisCircuitBreaker(), max_age=0)
    before = readings(client)
    for _ in range(3):
        tracked.read()
    assert readings(client) == before + 3


def test_no_thread_reads_a_value_older_than_its_call(client: redis.Redis) -> None:
    tracked = TrackedGeneration(client, RedisCircuitBreaker())
    change(client, 0)
    written, stale, end = [0], [], threading.Event()

    def read() -> None:
        while not end.is_set():
            least = written[0]
            value = int(tracked.read()[b"value"])
            if value < least:
                stale.append((value, least))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for value in range(1, 1000):
        change(client, value)
        written[0] = value
    end.set()
    for thread in threads:
        thread.join()
    assert not stale


def test_a_lost_connection_is_replaced(client: redis.Redis) -> None:
    tracked = TrackedGeneration(client, RedisCircuitBreaker(), max_age=60)
    change(client, 1)
    tracked.read()
    for number in range(2, 5):
        for each in client.client_list():
            if each["cmd"] == "hgetall":
                client.client_kill_filter(_id=each["id"])
        client.hset(KEY, "value", number)
        assert tracked.read() == {b"value": b"%d" % number}


def test_changes_are_seen_after_an_error_reply(client: redis.Redis) -> None:
    tracked = TrackedGeneration(client, RedisCircuitBreaker(), max_age=60)
    change(client, 1)
    tracked.read()
    client.set(KEY, "no hash")
    with pytest.raises(redis.exceptions.ResponseError):
        tracked.read()
    client.delete(KEY)
    for value in range(3):
        change(client, value)
        assert tracked.read() == {b"value": b"%d" % value}


def test_changes_are_seen_after_a_time_out(client: redis.Redis) -> None:
    slow = redis.Redis(
        connection_pool=redis.ConnectionPool(
            **{**client.connection_pool.connection_kwargs, "socket_timeout": 0.2}
        )
    )
    tracked = TrackedGeneration(slow, RedisCircuitBreaker(), max_age=60)
    change(client, 1)
    tracked.read()
    client.hset(KEY, "value", 2)
    client.client_pause(1000)
    with pytest.raises(redis.exceptions.RedisError):
        tracked.read()
    client.client_unpause()
    for value in range(3, 6):
        change(client, value)
        assert tracked.read() == {b"value": b"%d" % value}


def test_a_thread_that_waits_too_long_for_another_one_shows_no_outage(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracked_generation, "MAX_WAIT", 0.05)
    breaker = RedisCircuitBreaker()
    tracked = TrackedGeneration(client, breaker, max_age=0)
    tracked.read()
    client.client_pause(300)
    with ThreadPoolExecutor(2) as threads:
        found = [each.result() for each in [threads.submit(tracked.current) for _ in range(2)]]
    assert found.count(None) == 1
    assert breaker.failures == 0
    assert breaker.attempt()


def test_without_client_tracking_each_call_reads_the_hash(client: redis.Redis) -> None:
    user = "untracked"
    client.acl_setuser(
        user,
        enabled=True,
        nopass=True,
        categories=["+@all"],
        commands=["-client|tracking"],
        keys="*",
    )
    try:
        options = {**client.connection_pool.connection_kwargs, "username": user, "password": "x"}
        pool = redis.ConnectionPool(**options)
        tracked = TrackedGeneration(redis.Redis(connection_pool=pool), RedisCircuitBreaker())
        for value in range(3):
            client.hset(KEY, "value", value)
            assert tracked.read() == {b"value": b"%d" % value}
    finally:
        client.acl_deluser(user)


def test_without_redis_reading_fails(servers: Servers) -> None:
    valkey = make_valkey(servers.folder / "tracked")
    valkey.log.parent.mkdir()
    here = RedisSettings.model_validate(
        {"host": LOOPBACK, "port": valkey.port, "password": PASSWORD}
    )
    tracked = TrackedGeneration(connect(here, timeout=1), RedisCircuitBreaker())
    with running(valkey):
        assert tracked.read() == {}
    for _ in range(2):
        with pytest.raises(redis.exceptions.RedisError):
            tracked.read()
