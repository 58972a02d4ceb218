"""While Redis is away nobody waits for it, and the log says so once."""

import pytest
import structlog
from redis.exceptions import ConnectionError as RedisConnectionError

from api.access.redis_outage import QUIET, REST, RedisWatch
from tests.unit.api.access.test_ttl_cache import Clock


class Redis:
    """What asks a Redis that is away."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = True

    def __call__(self) -> str:
        self.asked += 1
        if self.away:
            raise RedisConnectionError("refused")
        return "answer"


def test_after_a_failure_nobody_asks_for_a_while() -> None:
    clock, redis = Clock(), Redis()
    watch = RedisWatch(clock)
    assert watch.ask(redis, "otherwise") == "otherwise"
    assert watch.ask(redis, "otherwise") == "otherwise"
    assert redis.asked == 1
    clock.now += REST
    redis.away = False
    assert watch.ask(redis, "otherwise") == "answer"
    assert watch.ask(redis, "otherwise") == "answer"
    assert redis.asked == 3


def test_an_outage_is_logged_once_a_minute() -> None:
    clock, redis = Clock(), Redis()
    with structlog.testing.capture_logs() as logs:
        watch = RedisWatch(clock)
        for _ in range(int(QUIET) * 2):
            watch.ask(redis, None)
            clock.now += 1
    assert redis.asked > 2
    assert [entry["log_level"] for entry in logs] == ["error", "error"]


def test_other_errors_are_not_hidden() -> None:
    def fail() -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        RedisWatch().ask(fail, None)
