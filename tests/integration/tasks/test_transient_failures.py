"""Transient failures are counted by their cause, for the status."""

import redis

from tasks.redis_state import transient_failures
from tests.support.decorators import requires_script
from tests.support.fixtures import Script


@requires_script
def test_failures_are_counted_by_cause(with_script: Script) -> None:
    client = with_script.redis
    assert transient_failures.read(client) == []
    for cause in ("database", "index", "database"):
        transient_failures.count(client, cause)
    found = {each.cause: each for each in transient_failures.read(client)}
    assert {cause: each.count for cause, each in found.items()} == {"database": 2, "index": 1}
    assert all(0 <= each.seconds <= 60 for each in found.values())
    assert 0 < client.ttl(transient_failures.KEY) <= transient_failures.LIFETIME


def test_an_unreachable_redis_is_ignored() -> None:
    transient_failures.count(redis.Redis(port=1, socket_connect_timeout=0.1, retry=None), "redis")
