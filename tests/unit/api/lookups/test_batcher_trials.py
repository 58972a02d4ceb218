"""A lookup that is the trial of Redis but is never sent does not refuse the lookups after it."""

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest
import redis
from redis.exceptions import ConnectionError as RedisConnectionError

from api.access.redis_outage import RedisCircuitBreaker
from api.http.errors import ServiceUnavailableError
from api.lookups.batch_policy import BatchPolicy
from api.lookups.batcher import BACKLOG, LookupBatcher
from pipeline.messages import Lookup, LookupBatch
from pipeline.runtime.links.circuit import FIRST_PAUSE
from tests.support.clock import Clock
from tests.support.metrics import Counted


@dataclass(frozen=True)
class NeverSends(BatchPolicy):
    """A policy with which requests wait in the queue until their deadline."""

    def send_at(self, waiting: int, sent: Iterable[float], now: float) -> float:
        del waiting, sent, now
        return math.inf


def no_redis() -> redis.Redis:
    raise RedisConnectionError


def no_send(batch: LookupBatch) -> None:
    raise AssertionError(batch)


@pytest.fixture
def breaker() -> RedisCircuitBreaker:
    """A circuit breaker whose pause has ended, so the next attempt is the trial."""
    clock = Clock()
    breaker = RedisCircuitBreaker(clock=clock)
    breaker.failed(RedisConnectionError("refused"))
    assert not breaker.attempt()
    clock.now += FIRST_PAUSE
    return breaker


@pytest.fixture
def batcher(breaker: RedisCircuitBreaker) -> Iterator[LookupBatcher]:
    policy = NeverSends(size=1, in_flight=1, hold_back=0.0)
    batcher = LookupBatcher(policy, no_redis, no_send, Counted(), breaker, clock=time.time)
    yield batcher
    batcher.close()


@pytest.mark.parametrize("number", [1, BACKLOG + 1], ids=["times out", "too many"])
def test_an_unsent_trial_is_repeated_by_the_next_lookup(
    batcher: LookupBatcher, breaker: RedisCircuitBreaker, number: int
) -> None:
    with pytest.raises(ServiceUnavailableError):
        batcher.look_up([Lookup(request=0)] * number, "", time.monotonic() + 0.05)
    assert breaker.attempt()
