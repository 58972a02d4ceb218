"""The rate limiter on a real Redis, with a clock that the tests set."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
import structlog

from api.access.rate_limit import Decision, RateLimiter
from api.access.redis_outage import RedisCircuitBreaker
from cli.stack.servers.ports import free_port
from pipeline.catalog.app.accounts import Application
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import RateLimiterSettings, RedisSettings, Settings
from tests.support.clock import Clock
from tests.support.metrics import Counted
from tests.support.processes.scratch_redis import scratch_redis

HERE, THERE = "192.0.2.1", "192.0.2.2"
APP = Application(1, "app")
OTHER_APP = Application(2, "other")


class Limiter:
    """A limiter with its clock and its metrics."""

    def __init__(self, client: redis.Redis, **limits: float) -> None:
        self.clock = Clock(1_000_000_002.0)  # 2 s into a step of 5 s
        self.metrics = Counted()
        chosen = {"global_limit": 0, "app_limit": 0, "ip_limit": 0, **limits}
        self.limiter = RateLimiter(
            client,
            RedisCircuitBreaker(),
            RateLimiterSettings.model_validate(chosen),
            self.metrics,
            self.clock,
        )

    def decide(self, address: str = HERE, application: Application | None = None) -> Decision:
        decision = self.limiter.count(address, application)
        assert decision is not None
        return decision

    def passed(self, count: int, **request: Any) -> int:
        return sum(self.decide(**request).passes for _ in range(count))


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with scratch_redis(settings) as client:
        yield client


def test_an_address_has_eighty_requests_in_twenty_seconds(client: redis.Redis) -> None:
    limiter = Limiter(client, ip_limit=4)
    assert limiter.passed(80) == 80
    refusal = limiter.decide()
    assert not refusal.passes
    assert refusal.state.tier.rate == 4
    assert refusal.state.headers() == {
        "X-RateLimit-Limit": "80",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "1000000020",
    }
    assert refusal.retry_after == 18
    assert limiter.decide(address=THERE).passes


def test_a_request_passes_after_retry_after(client: redis.Redis) -> None:
    limiter = Limiter(client, ip_limit=1)
    limiter.passed(10)
    limiter.clock.now += 5
    limiter.passed(10)
    refusal = limiter.decide()
    assert not refusal.passes
    limiter.clock.now += refusal.retry_after - 1
    assert not limiter.decide().passes
    limiter.clock.now += 1
    assert limiter.passed(11) == 10


def test_refused_requests_are_not_counted(client: redis.Redis) -> None:
    limiter = Limiter(client, ip_limit=1)
    limiter.passed(20)
    for _ in range(4):
        limiter.clock.now += 4.25
        assert limiter.passed(5) == 0
    limiter.clock.now += 1
    assert limiter.passed(21) == 20


def test_the_limit_of_an_application_covers_all_addresses(client: redis.Redis) -> None:
    limiter = Limiter(client, app_limit=1)
    assert limiter.passed(12, application=APP) == 12
    assert limiter.passed(12, application=APP, address=THERE) == 8
    assert limiter.passed(12, application=OTHER_APP) == 12


def test_a_rate_of_an_application_replaces_the_configured_rate_and_the_address_limit(
    client: redis.Redis,
) -> None:
    limiter = Limiter(client, app_limit=1, ip_limit=1)
    own = Application(3, "own", rate_limit=5)
    assert limiter.passed(101, application=own) == 100
    assert limiter.decide(application=own).state.tier.rate == 5
    assert limiter.passed(20, application=APP) == 20


def test_an_application_without_limit_counts_for_the_global_limit(client: redis.Redis) -> None:
    limiter = Limiter(client, global_limit=2, app_limit=1, ip_limit=1)
    assert limiter.passed(50, application=Application(4, "free", rate_limit=0)) == 40


def test_the_global_limit_covers_all_addresses(client: redis.Redis) -> None:
    limiter = Limiter(client, global_limit=1)
    assert limiter.passed(15) == 15
    assert limiter.passed(15, address=THERE, application=APP) == 5
    assert limiter.metrics.counts == {"api.rate_limit_exceeded_total.global": 10}


def test_a_request_counts_only_if_all_tiers_pass(client: redis.Redis) -> None:
    limiter = Limiter(client, global_limit=2, app_limit=1, ip_limit=0.5)
    assert limiter.passed(100, application=APP) == 10
    assert limiter.metrics.counts == {"api.rate_limit_exceeded_total.ip": 90}
    assert limiter.passed(100, application=APP, address=THERE) == 10
    assert limiter.passed(100, application=OTHER_APP, address="192.0.2.3") == 10


def test_checking_does_not_count(client: redis.Redis) -> None:
    limiter = Limiter(client, ip_limit=1)
    limiter.passed(19)
    for _ in range(5):
        decision = limiter.limiter.check_without_counting(HERE)
        assert decision is not None
        assert decision.passes
        assert decision.state.remaining == 1
    assert limiter.decide().state.remaining == 0
    decision = limiter.limiter.check_without_counting(HERE)
    assert decision is not None
    assert not decision.passes


def test_counts_expire_and_contain_no_api_key(client: redis.Redis) -> None:
    limiter = Limiter(client, global_limit=2, app_limit=1, ip_limit=1)
    limiter.decide(application=APP)
    *keys, request = sorted(key.decode() for key in client.scan_iter())
    assert keys == [
        f"rl:app:1:{200_000_000}",
        f"rl:global::{200_000_000}",
        f"rl:ip:{HERE}:200000000",
    ]
    assert all(0 < client.ttl(key) <= 25 for key in keys)
    assert request.startswith("rl:request:")
    assert 0 < client.ttl(request) <= 10


def test_many_threads_never_exceed_a_limit(client: redis.Redis) -> None:
    limiter = Limiter(client, global_limit=10, app_limit=8, ip_limit=6)
    with ThreadPoolExecutor(64) as pool:
        decisions = list(pool.map(lambda _: limiter.decide(application=APP), range(400)))
    assert sum(decision.passes for decision in decisions) == 120
    remaining = [each.state.remaining for each in decisions if each.passes]
    assert sorted(remaining) == list(range(120))


def test_without_limits_no_command_is_sent() -> None:
    unreachable = RedisSettings(host="127.0.0.1", port=free_port())
    with connect(unreachable) as client:
        limiter = Limiter(client)
        assert limiter.limiter.count(HERE, APP) is None
        assert limiter.limiter.check_without_counting(HERE) is None
        assert limiter.metrics.counts == {}


def test_without_redis_all_requests_pass_and_one_error_is_logged() -> None:
    unreachable = RedisSettings(host="127.0.0.1", port=free_port())
    with connect(unreachable) as client, structlog.testing.capture_logs() as logs:
        limiter = Limiter(client, ip_limit=1)
        assert [limiter.limiter.count(HERE, APP) for _ in range(50)] == [None] * 50
    assert limiter.metrics.counts == {"api.rate_limit_unavailable_total": 50}
    assert len([each for each in logs if "rate limits" in each["event"]]) == 1
