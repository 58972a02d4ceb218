"""The circuit breaker: no command for a second after a failed one, one log message a minute."""

import pytest
import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, RedisError

from api.access.redis_outage import LOG_INTERVAL, LinkFailures, RedisCircuitBreaker
from pipeline.runtime.links.circuit import FIRST_PAUSE
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
    breaker = RedisCircuitBreaker(clock=clock)
    assert breaker.call(command, "default") == "default"
    assert breaker.call(command, "default") == "default"
    assert command.calls == 1
    clock.now += FIRST_PAUSE
    command.fails = False
    assert breaker.call(command, "default") == "answer"
    assert breaker.call(command, "default") == "answer"
    assert command.calls == 3


def test_an_outage_is_logged_once_a_minute() -> None:
    clock, command = Clock(), Command()
    with structlog.testing.capture_logs() as logs:
        breaker = RedisCircuitBreaker(clock=clock)
        for _ in range(int(LOG_INTERVAL) * 2):
            breaker.call(command, None)
            clock.now += 1
    assert command.calls > 2
    told = [entry["log_level"] for entry in logs if "rate limits" in entry["event"]]
    assert told == ["error", "error"]


def test_other_exceptions_are_raised() -> None:
    def fail() -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        RedisCircuitBreaker().call(fail, None)


def test_a_command_that_must_run_is_refused_while_redis_is_away() -> None:
    breaker, command = RedisCircuitBreaker(clock=Clock()), Command()
    for _ in range(3):
        with pytest.raises(RedisConnectionError):
            breaker.run(command)
    assert command.calls == 1
    assert not breaker.attempt()


def test_a_failed_command_discards_the_idle_connections() -> None:
    """Each of them would cost a timeout of its own."""
    discarded: list[bool] = []
    breaker = RedisCircuitBreaker(
        link_failures=LinkFailures(lambda: discarded.append(True)), clock=Clock()
    )
    breaker.call(Command(), None)
    assert discarded == [True]


def test_a_reply_with_an_error_keeps_redis_in_use() -> None:
    """A full or misused Redis replies at once, so it need not be skipped."""

    def fail() -> None:
        raise OutOfMemoryError("OOM command not allowed")

    breaker = RedisCircuitBreaker(clock=Clock())
    assert breaker.call(fail, "default") == "default"
    assert breaker.attempt()


@pytest.mark.parametrize(
    ("cause", "opens"), [(RedisConnectionError("refused"), True), (OutOfMemoryError("OOM"), False)]
)
def test_an_error_of_the_broker_counts_by_its_cause(cause: Exception, opens: bool) -> None:
    error = OperationalError(str(cause))
    error.__cause__ = cause
    breaker = RedisCircuitBreaker(clock=Clock())
    breaker.failed(error)
    assert bool(breaker.attempt()) is not opens


@pytest.mark.parametrize(
    "error", [OperationalError("another thread"), RedisError("another thread")]
)
def test_an_error_that_shows_nothing_neither_opens_nor_closes(error: Exception) -> None:
    """A thread that waited too long for another one has not asked Redis."""
    breaker = RedisCircuitBreaker(clock=Clock())
    breaker.failed(error)
    assert breaker.attempt()
    breaker.failed(RedisConnectionError("refused"))
    breaker.failed(error)
    assert not breaker.attempt()


def test_a_trial_that_ends_with_another_exception_is_repeated_at_once() -> None:
    def fail() -> str:
        raise KeyError("bug")

    clock, command = Clock(), Command()
    breaker = RedisCircuitBreaker(clock=clock)
    breaker.call(command, None)
    clock.now += FIRST_PAUSE
    with pytest.raises(KeyError):
        breaker.call(fail, "")
    command.fails = False
    assert breaker.call(command, "default") == "answer"


def test_a_call_that_began_before_the_recovery_does_not_open_the_circuit_again() -> None:
    clock, command = Clock(), Command()
    breaker = RedisCircuitBreaker(clock=clock)
    late = breaker.attempt()
    breaker.call(command, None)
    clock.now += FIRST_PAUSE
    command.fails = False
    breaker.call(command, None)
    breaker.failed(RedisConnectionError("late"), late)
    assert breaker.attempt()


def test_a_failure_of_one_use_does_not_refuse_the_others() -> None:
    failures = LinkFailures()
    optional = RedisCircuitBreaker("optional", failures, clock=Clock())
    lookups = RedisCircuitBreaker("lookups", failures, clock=Clock())
    optional.call(Command(), None)
    assert not optional.attempt()
    assert lookups.attempt()
    assert lookups.failures == 1, "its open connections may be dead"
