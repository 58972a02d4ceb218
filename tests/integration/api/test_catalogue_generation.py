"""A generation that is kept in memory is what Redis holds, however many change and read it."""

import threading
from collections.abc import Iterator

import pytest
import redis

from api.access.redis_outage import RedisCircuitBreaker
from api.lookups.catalogue_generation import CatalogueGeneration
from cli.stack.servers.ports import LOOPBACK
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import RedisSettings, Settings
from tasks.redis_state.catalogue_generation import KEY
from tests.support.scratch_redis import on_scratch, scratch_redis
from tests.support.servers import PASSWORD, Servers, make_valkey, running


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with scratch_redis(settings):
        yield connect(on_scratch(settings).redis)


def change(client: redis.Redis, value: int) -> None:
    """Change the hash; with the reply to a second command, all have been told."""
    client.hset(KEY, "value", value)
    client.ping()


def readings(client: redis.Redis) -> int:
    """Return how often the hash has been read from the server."""
    return int(client.info("commandstats").get("cmdstat_hgetall", {"calls": 0})["calls"])


def test_every_change_is_seen_by_the_next_reading(client: redis.Redis) -> None:
    tracked = CatalogueGeneration(client, RedisCircuitBreaker())
    assert tracked.read() == {}
    for value in range(200):
        change(client, value)
        assert tracked.read() == {b"value": b"%d" % value}
    client.delete(KEY)
    client.ping()
    assert tracked.read() == {}


def test_redis_is_asked_only_when_something_has_changed(client: redis.Redis) -> None:
    tracked = CatalogueGeneration(client, RedisCircuitBreaker(), longest=60)
    before = readings(client)
    for value in range(3):
        change(client, value)
        for _ in range(100):
            tracked.read()
    assert readings(client) == before + 3


def test_after_some_time_redis_is_asked_again(client: redis.Redis) -> None:
    tracked = CatalogueGeneration(client, RedisCircuitBreaker(), longest=0)
    before = readings(client)
    for _ in range(3):
        tracked.read()
    assert readings(client) == before + 3


def test_no_thread_reads_what_was_before_it_asked(client: redis.Redis) -> None:
    tracked = CatalogueGeneration(client, RedisCircuitBreaker())
    change(client, 0)
    told, stale, end = [0], [], threading.Event()

    def read() -> None:
        while not end.is_set():
            least = told[0]
            value = int(tracked.read()[b"value"])
            if value < least:
                stale.append((value, least))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for value in range(1, 1000):
        change(client, value)
        told[0] = value
    end.set()
    for thread in threads:
        thread.join()
    assert not stale


def test_a_lost_connection_is_made_again(client: redis.Redis) -> None:
    tracked = CatalogueGeneration(client, RedisCircuitBreaker(), longest=60)
    change(client, 1)
    tracked.read()
    for number in range(2, 5):
        for each in client.client_list():
            if each["cmd"] == "hgetall":
                client.client_kill_filter(_id=each["id"])
        client.hset(KEY, "value", number)
        assert tracked.read() == {b"value": b"%d" % number}


def test_after_an_error_changes_are_told_again(client: redis.Redis) -> None:
    tracked = CatalogueGeneration(client, RedisCircuitBreaker(), longest=60)
    change(client, 1)
    tracked.read()
    client.set(KEY, "no hash")
    with pytest.raises(redis.exceptions.ResponseError):
        tracked.read()
    client.delete(KEY)
    for value in range(3):
        change(client, value)
        assert tracked.read() == {b"value": b"%d" % value}


def test_a_server_that_is_too_slow_is_given_up_and_asked_again(client: redis.Redis) -> None:
    slow = redis.Redis(
        connection_pool=redis.ConnectionPool(
            **{**client.connection_pool.connection_kwargs, "socket_timeout": 0.2}
        )
    )
    tracked = CatalogueGeneration(slow, RedisCircuitBreaker(), longest=60)
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


def test_a_server_that_cannot_tell_is_asked_each_time(client: redis.Redis) -> None:
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
        tracked = CatalogueGeneration(redis.Redis(connection_pool=pool), RedisCircuitBreaker())
        for value in range(3):
            client.hset(KEY, "value", value)
            assert tracked.read() == {b"value": b"%d" % value}
    finally:
        client.acl_deluser(user)


def test_without_redis_nothing_is_known(servers: Servers) -> None:
    valkey = make_valkey(servers.folder / "tracked")
    valkey.log.parent.mkdir()
    here = RedisSettings.model_validate(
        {"host": LOOPBACK, "port": valkey.port, "password": PASSWORD}
    )
    tracked = CatalogueGeneration(connect(here, timeout=1), RedisCircuitBreaker())
    with running(valkey):
        assert tracked.read() == {}
    for _ in range(2):
        with pytest.raises(redis.exceptions.RedisError):
            tracked.read()
