"""API keys come from the cache of the process, then from Redis, then from the database."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import redis
import sqlalchemy as sa

from api.access.key_cache import HIT_TTL, MISS_TTL, RedisKeyCache, digest
from api.access.keys import CACHED, ApiKeys, KeyTable
from api.access.redis_outage import RedisCircuitBreaker
from api.http.errors import (
    InvalidApiKeyError,
    InvalidUserApiKeyError,
    MissingParameterError,
    NotAllowedError,
)
from api.http.parameters import Parameters
from cli.stack.servers.ports import free_port
from pipeline.catalog.app import accounts
from pipeline.catalog.app.accounts import Account, Application
from pipeline.catalog.app.keys.demo_application import ensure_demo
from pipeline.catalog.app.tables import account, application
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import RedisSettings, Settings
from tests.support.clock import Clock
from tests.support.processes.scratch_redis import scratch_redis


class Process:
    """The application keys of one process; counts the queries of the database."""

    def __init__(self, databases: Databases, client: redis.Redis) -> None:
        self.clock = Clock()
        self.queries = 0
        self.keys = KeyTable(
            databases,
            RedisKeyCache(client, Application),
            RedisCircuitBreaker(),
            self._query,
            self.clock,
        )

    def _query(self, connection: sa.Connection, key: str) -> Application | None:
        self.queries += 1
        return accounts.find_application(connection, key)

    def find(self, key: str) -> Application | None:
        return self.keys.find(key)


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with scratch_redis(settings) as client:
        yield client


@pytest.fixture
def make(databases: Databases) -> Callable[..., tuple[str, Application]]:
    """Return a function that makes applications."""

    def make(name: str = "app", rate_limit: float | None = None) -> tuple[str, Application]:
        with databases.engine("app").begin() as connection:
            made = accounts.create_application(connection, name, rate_limit=rate_limit)
        return made.key, Application(made.id, name, rate_limit)

    return make


def test_a_key_is_queried_once(databases, client, make) -> None:
    key, holder = make(rate_limit=2.5)
    process = Process(databases, client)
    assert [process.find(key) for _ in range(3)] == [holder] * 3
    assert process.queries == 1


def test_the_second_process_finds_the_key_in_redis(databases, client, make) -> None:
    key, holder = make()
    Process(databases, client).find(key)
    other = Process(databases, client)
    assert other.find(key) == holder
    assert other.queries == 0


def test_redis_has_digests_of_keys_only(databases, client, make) -> None:
    key, _ = make()
    process = Process(databases, client)
    process.find(key)
    process.find("no-such-key")
    names = [name.decode() for name in client.scan_iter()]
    assert len(names) == 2
    assert all(name.startswith("key:application:") for name in names)
    assert not any(key in name or "no-such-key" in name for name in names)


def test_a_key_is_queried_again_after_its_time_to_live(databases, client, make) -> None:
    key, _ = make()
    process = Process(databases, client)
    process.find(key)
    assert 0 < client.ttl(f"key:application:{digest(key)}") <= HIT_TTL
    process.clock.now += HIT_TTL
    client.flushdb()
    process.find(key)
    assert process.queries == 2


def test_an_unknown_key_is_cached_for_a_shorter_time(databases, client) -> None:
    process = Process(databases, client)
    assert [process.find("nobody") for _ in range(3)] == [None] * 3
    assert process.queries == 1
    assert 0 < client.ttl(f"key:application:{digest('nobody')}") <= MISS_TTL
    process.clock.now += MISS_TTL
    client.flushdb()
    process.find("nobody")
    assert process.queries == 2


def test_a_new_key_overwrites_a_miss(databases, client) -> None:
    one, other = Process(databases, client), Process(databases, client)
    assert one.find("brand-new") is None
    holder = Application(7, "new")
    one.keys.publish("brand-new", holder)
    assert one.find("brand-new") == other.find("brand-new") == holder
    assert one.queries + other.queries == 1


def test_a_disabled_key_is_refused_by_processes_without_a_cached_entry(
    databases, client, make
) -> None:
    key, _ = make()
    Process(databases, client).find(key)
    RedisKeyCache(client, Application).publish(key, None)
    assert Process(databases, client).find(key) is None


def test_a_slow_reader_does_not_overwrite_a_published_entry(client) -> None:
    shared = RedisKeyCache(client, Application)
    shared.publish("key", None)
    shared.add(digest("key"), Application(1, "stale"))
    assert shared.find(digest("key")) == (None,)
    shared.publish("key", Application(1, "new"))
    shared.add(digest("key"), None)
    assert shared.find(digest("key")) == (Application(1, "new"),)


def test_entries_of_other_versions_are_read(client) -> None:
    shared = RedisKeyCache(client, Account)
    for values in ({"id": 3, "name": "Ada"}, {"id": 3, "name": "Ada", "later": [1]}):
        client.set(f"key:account:{digest('key')}", json.dumps(values))
        assert shared.find(digest("key")) == (Account(3, "Ada"),)


def test_an_entry_has_only_the_fields_that_differ_from_their_default(client) -> None:
    shared = RedisKeyCache(client, Account)
    for holder in (Account(3, "Ada"), Account(3, "Ada", is_admin=True)):
        shared.publish("key", holder)
        assert shared.find(digest("key")) == (holder,)
    shared.publish("key", Account(3, "Ada"))
    assert json.loads(client.get(f"key:account:{digest('key')}")) == {"id": 3, "name": "Ada"}


def test_the_same_text_can_be_a_key_of_both_kinds(databases, client) -> None:
    with databases.engine("app").begin() as connection:
        owner = accounts.create_account(connection, "owner")
        made = accounts.create_application(connection, "app", account_id=owner.id)
        connection.execute(sa.update(application).values(apikey="both"))
        connection.execute(sa.update(account).values(apikey="both"))
    with closing(ApiKeys(databases, client, RedisCircuitBreaker(), demo=False)) as keys:
        for _ in range(2):
            assert keys.applications.find("both") == Application(made.id, "app")
            assert keys.accounts.find("both") == Account(owner.id, "owner")


def test_a_process_caches_a_limited_number_of_keys(databases) -> None:
    with connect(RedisSettings(host="127.0.0.1", port=free_port())) as unreachable:
        process = Process(databases, unreachable)
        for number in range(CACHED + 1):
            process.find(str(number))
        process.find(str(CACHED))
        assert process.queries == CACHED + 1
        process.find("0")
        assert process.queries == CACHED + 2


def test_threads_share_the_cache(databases, client, make) -> None:
    key, holder = make()
    process = Process(databases, client)

    def find(number: int) -> Application | None:
        process.find(f"unknown {number % 80}")
        if number % 100 == 0:
            process.keys.publish(key, holder)
        return process.find(key)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(find, range(1000))) == [holder] * 1000


def test_without_redis_keys_come_from_the_database(databases, make) -> None:
    key, holder = make()
    with connect(RedisSettings(host="127.0.0.1", port=free_port())) as unreachable:
        process = Process(databases, unreachable)
        assert process.find(key) == holder
        assert process.find("nobody") is None
        process.keys.publish(key, None)
        assert process.find(key) == holder


@pytest.mark.parametrize("key", ["a\x00b", "x" * 101, "\x00"])
def test_a_text_that_cannot_be_a_key_is_not_queried(databases, client, key) -> None:
    process = Process(databases, client)
    assert process.find(key) is None
    assert process.keys.find_uncached(key) is None
    assert process.queries == 0


def test_a_key_of_unusual_characters_is_unknown(databases, client) -> None:
    process = Process(databases, client)
    assert process.find("ключ'; --") is None
    assert process.find("\ufffd") is None


class TestErrors:
    """The errors of `ApiKeys` for the parameters of a request."""

    @pytest.fixture
    def keys(self, databases, client) -> Iterator[ApiKeys]:
        with closing(ApiKeys(databases, client, RedisCircuitBreaker(), demo=True)) as keys:
            yield keys

    @pytest.fixture
    def user_key(self, databases) -> str:
        with databases.engine("app").begin() as connection:
            return accounts.create_account(connection, "Ada").key

    def test_valid_keys(self, keys, make, user_key) -> None:
        key, holder = make()
        assert keys.application(Parameters([("client", key)])) == holder
        assert keys.account(Parameters([("user", user_key)])).name == "Ada"

    def test_an_admin_is_needed(self, databases, keys, user_key) -> None:
        parameters = Parameters([("user", user_key)])
        with pytest.raises(NotAllowedError, match="the key of an admin"):
            keys.admin(parameters)
        with databases.engine("app").begin() as connection:
            connection.execute(sa.update(account).values(is_admin=True))
        found = keys.accounts.find_uncached(user_key)
        keys.accounts.publish(user_key, found)
        assert keys.admin(parameters) == found
        with pytest.raises(InvalidUserApiKeyError):
            keys.admin(Parameters([("user", "nobody")]))

    @pytest.mark.parametrize("pairs", [[], [("client", "")]])
    def test_missing_keys(self, keys, pairs) -> None:
        with pytest.raises(MissingParameterError, match='"client"'):
            keys.application(Parameters(pairs))
        with pytest.raises(MissingParameterError, match='"user"'):
            keys.account(Parameters(pairs))

    def test_a_wrong_key_is_not_repeated(self, keys) -> None:
        with pytest.raises(InvalidApiKeyError, match="this server") as caught:
            keys.application(Parameters([("client", "WRONGKEY12")]))
        assert "WRONGKEY12" not in caught.value.message
        with pytest.raises(InvalidUserApiKeyError, match="this server") as user_error:
            keys.account(Parameters([("user", "WRONGKEY12")]))
        assert "WRONGKEY12" not in user_error.value.message

    def test_exchanged_keys(self, keys, make, user_key) -> None:
        key, _ = make()
        with pytest.raises(InvalidApiKeyError, match='send it as "user"'):
            keys.application(Parameters([("client", user_key)]))
        with pytest.raises(InvalidUserApiKeyError, match='send it as "client"'):
            keys.account(Parameters([("user", key)]))

    def test_the_demo_key_enabled_and_disabled(self, databases, client, keys) -> None:
        demo = Parameters([("client", "8XaBELgH")])
        with pytest.raises(InvalidApiKeyError):
            keys.application(demo)
        with databases.engine("app").begin() as connection:
            ensure_demo(connection)
        keys.applications.publish("8XaBELgH", Application(1, "Demo"))
        assert keys.application(demo).name == "Demo"
        with (
            closing(ApiKeys(databases, client, RedisCircuitBreaker(), demo=False)) as without_demo,
            pytest.raises(InvalidApiKeyError, match="disabled on this server"),
        ):
            without_demo.application(demo)
