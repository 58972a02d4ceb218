"""Keys are looked for in the process, then in Redis, then in the database."""

from collections.abc import Callable, Iterator

import pytest
import redis
import sqlalchemy as sa

from api.access.key_cache import HIT_TTL, MISS_TTL, SharedKeys, digest
from api.access.keys import CACHED, KeyFinder, Keys
from api.access.redis_outage import RedisWatch
from api.http.errors import InvalidApiKeyError, InvalidUserApiKeyError, MissingParameterError
from api.http.parameters import Parameters
from cli.stack.servers.ports import free_port
from pipeline.catalog.app import accounts
from pipeline.catalog.app.accounts import Account, Application
from pipeline.catalog.app.tables import account, application
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import RedisSettings, Settings
from tests.support.scratch_redis import scratch_redis
from tests.unit.api.access.test_ttl_cache import Clock


class Finder:
    """The applications' finder of one process, which counts its questions to the database."""

    def __init__(self, databases: Databases, client: redis.Redis) -> None:
        self.clock = Clock()
        self.asked = 0
        self.keys = KeyFinder(
            databases, SharedKeys(client, Application), RedisWatch(), self._query, self.clock
        )

    def _query(self, connection: sa.Connection, key: str) -> Application | None:
        self.asked += 1
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


def test_a_key_is_asked_of_the_database_once(databases, client, make) -> None:
    key, holder = make(rate_limit=2.5)
    finder = Finder(databases, client)
    assert [finder.find(key) for _ in range(3)] == [holder] * 3
    assert finder.asked == 1


def test_the_next_process_asks_redis(databases, client, make) -> None:
    key, holder = make()
    Finder(databases, client).find(key)
    other = Finder(databases, client)
    assert other.find(key) == holder
    assert other.asked == 0


def test_neither_cache_holds_the_key_itself(databases, client, make) -> None:
    key, _ = make()
    finder = Finder(databases, client)
    finder.find(key)
    finder.find("no-such-key")
    names = [name.decode() for name in client.scan_iter()]
    assert len(names) == 2
    assert all(name.startswith("key:application:") for name in names)
    assert not any(key in name or "no-such-key" in name for name in names)
    assert key not in repr(finder.keys._own._entries)


def test_what_is_known_is_forgotten_in_time(databases, client, make) -> None:
    key, _ = make()
    finder = Finder(databases, client)
    finder.find(key)
    assert 0 < client.ttl(f"key:application:{digest(key)}") <= HIT_TTL
    finder.clock.now += HIT_TTL
    client.flushdb()
    finder.find(key)
    assert finder.asked == 2


def test_a_miss_is_remembered_for_a_short_time(databases, client) -> None:
    finder = Finder(databases, client)
    assert [finder.find("nobody") for _ in range(3)] == [None] * 3
    assert finder.asked == 1
    assert 0 < client.ttl(f"key:application:{digest('nobody')}") <= MISS_TTL
    finder.clock.now += MISS_TTL
    client.flushdb()
    finder.find("nobody")
    assert finder.asked == 2


def test_a_new_key_overwrites_a_miss(databases, client) -> None:
    one, other = Finder(databases, client), Finder(databases, client)
    assert one.find("brand-new") is None
    holder = Application(7, "new")
    one.keys.publish("brand-new", holder)
    assert one.find("brand-new") == other.find("brand-new") == holder
    assert one.asked + other.asked == 1


def test_a_disabled_key_is_refused_by_whoever_asks_redis(databases, client, make) -> None:
    key, _ = make()
    Finder(databases, client).find(key)
    SharedKeys(client, Application).publish(key, None)
    assert Finder(databases, client).find(key) is None


def test_a_slow_reader_does_not_undo_what_was_published(client) -> None:
    shared = SharedKeys(client, Application)
    shared.publish("key", None)
    shared.learn(digest("key"), Application(1, "stale"))
    assert shared.find(digest("key")) == (None,)
    shared.publish("key", Application(1, "new"))
    shared.learn(digest("key"), None)
    assert shared.find(digest("key")) == (Application(1, "new"),)


def test_the_same_text_may_be_a_key_of_both_kinds(databases, client) -> None:
    with databases.engine("app").begin() as connection:
        owner = accounts.create_account(connection, "owner")
        made = accounts.create_application(connection, "app", account_id=owner.id)
        connection.execute(sa.update(application).values(apikey="both"))
        connection.execute(sa.update(account).values(apikey="both"))
    keys = Keys(databases, client, RedisWatch(), demo=False)
    for _ in range(2):
        assert keys.applications.find("both") == Application(made.id, "app")
        assert keys.accounts.find("both") == Account(owner.id, "owner")


def test_a_process_remembers_so_many_keys_and_no_more(databases) -> None:
    with connect(RedisSettings(host="127.0.0.1", port=free_port())) as away:
        finder = KeyFinder(databases, SharedKeys(away, Application), RedisWatch(), lambda *_: None)
        for number in range(CACHED + 10):
            finder.find(str(number))
        assert len(finder._own) == CACHED


def test_without_redis_the_database_is_asked(databases, make) -> None:
    key, holder = make()
    with connect(RedisSettings(host="127.0.0.1", port=free_port())) as away:
        finder = Finder(databases, away)
        assert finder.find(key) == holder
        assert finder.find("nobody") is None
        finder.keys.publish(key, None)
        assert finder.find(key) == holder


@pytest.mark.parametrize("key", ["a\x00b", "x" * 101, "\x00"])
def test_what_can_be_no_key_is_not_even_asked_for(databases, client, key) -> None:
    finder = Finder(databases, client)
    assert finder.find(key) is None
    assert finder.keys.find_now(key) is None
    assert finder.asked == 0


def test_an_odd_key_is_nobodys(databases, client) -> None:
    finder = Finder(databases, client)
    assert finder.find("ключ'; --") is None
    assert finder.find("\ufffd") is None


class TestWhatClientsAreTold:
    """What `Keys` says of a request's parameters."""

    @pytest.fixture
    def keys(self, databases, client) -> Keys:
        return Keys(databases, client, RedisWatch(), demo=True)

    @pytest.fixture
    def user_key(self, databases) -> str:
        with databases.engine("app").begin() as connection:
            return accounts.create_account(connection, "Ada").key

    def test_valid_keys(self, keys, make, user_key) -> None:
        key, holder = make()
        assert keys.application(Parameters([("client", key)])) == holder
        assert keys.account(Parameters([("user", user_key)])).name == "Ada"

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

    def test_keys_that_were_taken_for_one_another(self, keys, make, user_key) -> None:
        key, _ = make()
        with pytest.raises(InvalidApiKeyError, match='send it as "user"'):
            keys.application(Parameters([("client", user_key)]))
        with pytest.raises(InvalidUserApiKeyError, match='send it as "client"'):
            keys.account(Parameters([("user", key)]))

    def test_the_demo_key_where_it_is_on_and_off(self, databases, client, keys) -> None:
        demo = Parameters([("client", "8XaBELgH")])
        with pytest.raises(InvalidApiKeyError):
            keys.application(demo)
        with databases.engine("app").begin() as connection:
            accounts.ensure_demo(connection)
        keys.applications.publish("8XaBELgH", Application(1, "Demo"))
        assert keys.application(demo).name == "Demo"
        with pytest.raises(InvalidApiKeyError, match="switched off"):
            Keys(databases, client, RedisWatch(), demo=False).application(demo)
