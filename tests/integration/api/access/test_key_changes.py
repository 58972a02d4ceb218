"""Front ends remove a cached key as soon as another process has changed it."""

import time
from collections.abc import Callable, Iterator

import pytest
import redis

from api.access.key_cache import CHANNEL, RedisKeyCache, digest, forget_keys
from api.access.keys import ApiKeys, KeyTable
from api.access.redis_outage import RedisCircuitBreaker
from pipeline.catalog.app.accounts import Account, Application
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.clock import Clock
from tests.support.polling import eventually
from tests.support.processes.scratch_redis import scratch_redis
from tests.support.subscribers import subscribers


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with scratch_redis(settings) as client:
        yield client


@pytest.fixture
def process(databases: Databases, client: redis.Redis) -> Iterator[Callable[[], ApiKeys]]:
    """Return a function that creates the `ApiKeys` of a front-end process."""
    made: list[ApiKeys] = []

    def make() -> ApiKeys:
        before = subscribers(client)
        made.append(ApiKeys(databases, client, RedisCircuitBreaker(), demo=False))
        made[-1].applications.find("warm up")
        eventually(lambda: subscribers(client) - before)
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_another_process_removes_a_changed_key(client, process) -> None:
    one, two = process(), process()
    for number in range(20):
        holder = Application(number, "app")
        one.applications.publish("key", holder)
        eventually(lambda holder=holder: two.applications.find("key") == holder)
        one.accounts.publish("key", Account(number, "user"))
        eventually(lambda number=number: two.accounts.find("key").id == number)
    RedisKeyCache(client, Application).publish("key", None)
    eventually(lambda: one.applications.find("key") is None)
    eventually(lambda: two.applications.find("key") is None)
    assert two.accounts.find("key") is not None


def test_a_change_during_a_lost_connection_applies(client, process) -> None:
    keys = process()
    # Neither value is reported, as if the connection were lost.
    client.set(f"key:application:{digest('key')}", '{"id": 1, "name": "old"}', ex=60)
    assert keys.applications.find("key") == Application(1, "old")
    client.set(f"key:application:{digest('key')}", '{"id": 1, "name": "new"}', ex=60)
    assert keys.applications.find("key") == Application(1, "old")
    for each in client.client_list(_type="pubsub"):
        client.client_kill_filter(_id=each["id"])
    eventually(lambda: keys.applications.find("key") == Application(1, "new"))


def test_all_keys_are_read_again_after_an_import(client, process) -> None:
    keys = process()
    client.set("key:other", "stays")
    for number in range(1_100):
        client.set(f"key:account:{digest(str(number))}", "")
    client.set(f"key:application:{digest('key')}", '{"id": 1, "name": "old"}')
    assert keys.applications.find("key") == Application(1, "old")
    forget_keys(client)
    eventually(lambda: keys.applications.find("key") is None)
    assert client.get("key:other") == b"stays"
    assert not client.keys("key:account:*")


def test_a_message_that_is_no_digest_is_ignored(client, process) -> None:
    keys = process()
    keys.applications.publish("key", Application(1, "app"))
    for message in (b"", b"\xff\xfe", b"application", b"later:x", b"application:x"):
        client.publish(CHANNEL, message)
    RedisKeyCache(client, Application).publish("key", None)
    eventually(lambda: keys.applications.find("key") is None)


def test_a_holder_read_before_a_change_is_not_cached(databases, client) -> None:
    shared = RedisKeyCache(client, Application)
    reads = []

    def query(_connection, _key) -> Application:
        reads.append(1)
        if len(reads) == 1:  # the key changes after the database was read
            table.discard(digest("key"))
        return Application(len(reads), "app")

    table = KeyTable(databases, shared, RedisCircuitBreaker(), query)
    assert table.find("key") == Application(1, "app")
    client.flushdb()
    assert table.find("key") == Application(2, "app")
    client.flushdb()
    assert table.find("key") == Application(2, "app")


def test_a_rotated_key_is_not_cached_beyond_its_end(databases, client) -> None:
    clock = Clock()
    until = time.time() + 5
    found = [Application(1, "app", valid_until=until)]
    shared = RedisKeyCache(client, Application)
    table = KeyTable(
        databases, shared, RedisCircuitBreaker(), lambda *_: found[0] if found else None, clock
    )
    assert table.find("key") == found[0]
    assert 0 < client.pttl(f"key:application:{digest('key')}") <= 5000
    found.clear()
    clock.now += 4
    assert table.find("key") is not None
    clock.now += 1.1
    client.flushdb()
    assert table.find("key") is None


def test_an_expired_key_in_redis_is_not_used(databases, client) -> None:
    expired = Application(1, "app", valid_until=time.time() - 1)
    shared = RedisKeyCache(client, Application)
    table = KeyTable(databases, shared, RedisCircuitBreaker(), lambda *_: None)
    client.set(
        f"key:application:{digest('key')}",
        f'{{"id": 1, "name": "app", "valid_until": {expired.valid_until}}}',
    )
    assert table.find("key") is None
    shared.publish("other", expired)
    assert table.find("other") is None
