"""Counters on a real Redis: each count is added once, also after lost replies."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from cli.stack.servers.ports import LOOPBACK
from pipeline.runtime import redis_counters
from pipeline.runtime.redis_client import connect
from pipeline.runtime.redis_counters import Counters
from pipeline.settings.sections import RedisSettings, Settings
from tests.support.polling import eventually
from tests.support.processes.interruptions import watch_redis
from tests.support.processes.scratch_redis import on_scratch, scratch_redis
from tests.support.processes.servers import PASSWORD, make_valkey, running, temporary_folder

NEVER = 3600.0
Make = Callable[..., Counters]


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with scratch_redis(settings) as client:
        yield client


@pytest.fixture
def make(client: redis.Redis) -> Iterator[Make]:
    made: list[Counters] = []

    def make(through: redis.Redis = client, every: float = NEVER, **options: int) -> Counters:
        made.append(Counters(through, every=every, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def stored(client: redis.Redis, key: str = "hash") -> dict[str, int]:
    return {field.decode(): int(value) for field, value in client.hgetall(key).items()}


def test_counts_of_a_field_are_added_up(make: Make, client: redis.Redis) -> None:
    counters = make()
    counters.add("hash", "a")
    counters.add("hash", "b", 5)
    counters.add("hash", "a", 2)
    counters.add("other", "a")
    assert stored(client) == {}
    assert counters.flush()
    assert (stored(client), stored(client, "other")) == ({"a": 3, "b": 5}, {"a": 1})
    counters.add("hash", "a")
    assert counters.flush()
    assert counters.flush()
    assert stored(client) == {"a": 4, "b": 5}


def test_counts_are_sent_at_intervals(make: Make, client: redis.Redis) -> None:
    counters = make(every=0.01)
    counters.add("hash", "a")
    eventually(lambda: stored(client) == {"a": 1})
    counters.add("hash", "a")
    eventually(lambda: stored(client) == {"a": 2})


def test_close_sends_the_remaining_counts(make: Make, client: redis.Redis) -> None:
    counters = make()
    counters.add("hash", "a")
    counters.close()
    assert stored(client) == {"a": 1}
    counters.add("hash", "a")
    make().close()


def test_counts_of_several_threads_are_complete(make: Make, client: redis.Redis) -> None:
    counters = make(every=0.001)

    def count(_: int) -> None:
        for number in range(500):
            counters.add("hash", f"{number % 10}")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(count, range(8)))
    counters.close()
    assert stored(client) == {f"{number}": 400 for number in range(10)}


def watched(settings: Settings, at: Callable[[str], None]) -> redis.Redis:
    """Return a client of the scratch database that calls back at each step."""
    through = connect(on_scratch(settings).redis)
    watch_redis(through, at)
    return through


def test_a_thousand_counts_are_one_message(make: Make, settings: Settings) -> None:
    steps: list[str] = []
    with watched(settings, steps.append) as through:
        counters = make(through)
        counters.add("hash", "first")
        assert counters.flush()
        steps.clear()
        for number in range(1000):
            counters.add("hash", f"{number}")
            counters.add("other", f"{number}")
        assert counters.flush()
    assert steps == ["redis: send", "redis: reply"]


def test_many_counts_are_several_messages(
    make: Make, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_counters, "MESSAGE_FIELDS", 10)
    many = make()
    for number in range(25):
        many.add("hash", f"{number}")
    assert many.flush()
    assert len(stored(client)) == 25
    [marker] = client.keys("counted:*")
    assert client.get(marker) == b"3"
    assert 0 < client.ttl(marker) <= redis_counters.NUMBER_KEPT


@pytest.mark.parametrize("lost", range(1, 5))
def test_a_message_without_a_reply_is_applied_once(
    lost: int, make: Make, client: redis.Redis, settings: Settings
) -> None:
    """The client repeats a message without a reply once; then the next flush does."""
    armed = False
    left = lost

    def at(step: str) -> None:
        nonlocal left
        if armed and step == "redis: reply" and left:
            left -= 1
            raise RedisConnectionError

    with watched(settings, at) as through:
        counters = make(through)
        counters.add("hash", "a")
        assert counters.flush()
        counters.add("hash", "a", 2)
        armed = True
        eventually(counters.flush)
        counters.add("hash", "a", 4)
        assert counters.flush()
    assert left == 0
    assert stored(client) == {"a": 7}


def test_an_outage_keeps_the_counts(make: Make) -> None:
    with temporary_folder() as folder:
        server = make_valkey(folder)
        place = RedisSettings.model_validate(
            {"host": LOOPBACK, "port": server.port, "password": PASSWORD}
        )
        with connect(place) as unreachable, capture_logs() as logs:
            counters = make(unreachable)
            counters.add("hash", "a")
            assert not counters.flush()
            counters.add("hash", "a", 10)
            assert not counters.flush()
            with running(server):
                eventually(counters.flush)
                assert stored(unreachable) == {"a": 11}
            counters.add("hash", "b")
            counters.close()
    assert [entry["event"].partition(":")[0] for entry in logs] == [
        "redis is unreachable",
        "redis is reachable again",
        "redis is unreachable",
        "counts are lost",
    ]


def test_the_number_of_kept_fields_is_limited(make: Make, client: redis.Redis) -> None:
    counters = make(most=2)
    with capture_logs() as logs:
        for field in "abcabc":
            counters.add("hash", field)
        counters.add("other", "c")
        assert counters.flush()
    assert (stored(client), stored(client, "other")) == ({"a": 2, "b": 2}, {"c": 1})
    assert [entry["counts"] for entry in logs] == [2]
    counters.add("hash", "c")
    assert counters.flush()
    assert stored(client) == {"a": 2, "b": 2, "c": 1}


def test_other_fields_are_added_when_one_is_no_number(make: Make, client: redis.Redis) -> None:
    client.hset("hash", "a", "many")
    client.set("string", "x")
    counters = make()
    for field in "abc":
        counters.add("hash", field)
    counters.add("string", "a")
    with capture_logs() as logs:
        assert counters.flush()
    assert client.hgetall("hash") == {b"a": b"many", b"b": b"1", b"c": b"1"}
    assert [entry["fields"] for entry in logs] == [2]


def test_add_raises_no_error_without_a_thread(
    make: Make, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    counters = make()
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(threading.Thread, "start", refuse)
        counters.add("hash", "a")
    assert [entry["log_level"] for entry in logs] == ["warning"]
    counters.add("hash", "a")
    counters.close()
    assert stored(client) == {"a": 2}
