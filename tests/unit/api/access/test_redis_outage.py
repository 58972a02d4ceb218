"""The circuit breaker: no command for a second after a failed one, one log message a minute."""

import pytest
import structlog
from redis.exceptions import ConnectionError as RedisConnectionError

from api.access.redis_outage import LOG_INTERVAL, SKIP_TIME, RedisCircuitBreaker
from tests.support.clock import Clock


class Command:
    """A command that fails while `fails` is set; counts its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.fails = True

    def __call__(self) -> str:
        self.calls += 1
        if self.fails:
            raise RedisConnectionError("refused")
        return "answer"


def test_no_command_is_sent_for_a_second_after_a_failed_one() -> None:
    clock, command = Clock(), Command()
    breaker = RedisCircuitBreaker(clock)
    assert breaker.call(command, "default") == "default"
    assert breaker.call(command, "default") == "default"
    assert command.calls == 1
    clock.now += SKIP_TIME
    command.fails = False
    assert breaker.call(command, "default") == "answer"
    assert breaker.call(command, "default") == "answer"
    assert command.calls == 3


def test_an_outage_is_logged_once_a_minute() -> None:
    clock, command = Clock(), Command()
    with structlog.testing.capture_logs() as logs:
        breaker = RedisCircuitBreaker(clock)
        for _ in range(int(LOG_INTERVAL) * 2):
            breaker.call(command, None)
            clock.now += 1
    assert command.calls > 2
    assert [entry["log_level"] for entry in logs] == ["error", "error"]


def test_other_exceptions_are_raised() -> None:
    def fail() -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        RedisCircuitBreaker().call(fail, None)
