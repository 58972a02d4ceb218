"""Redis replies to reads while it refuses writes."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from api.health.redis_writes import RedisWrites, Refused, Warned, try_write
from cli.stack.servers.ports import free_port
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import RedisSettings, Settings
from tests.support.processes.scratch_redis import scratch_redis


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with scratch_redis(settings) as client:
        yield client


@contextmanager
def configured(client: redis.Redis, **options: int | str) -> Iterator[None]:
    """Change the configuration of Redis during a block."""
    named = {name.replace("_", "-"): value for name, value in options.items()}
    before = {name: client.config_get(name)[name] for name in named}
    try:
        for name, value in named.items():
            client.config_set(name, value)
        yield
    finally:
        for name, value in before.items():
            client.config_set(name, value)


def test_a_redis_with_memory_accepts_writes(client: redis.Redis) -> None:
    found = try_write(client)
    assert found[:2] == (None, None)
    assert found.max_memory == 0
    assert found.memory


def test_a_full_memory_refuses_writes(client: redis.Redis) -> None:
    with configured(client, maxmemory=1_000_000):
        assert try_write(client).refused is Refused.MEMORY
    assert try_write(client).refused is None


def test_a_memory_that_is_nearly_full_is_a_warning(client: redis.Redis) -> None:
    used = try_write(client).memory
    assert used
    with configured(client, maxmemory=int(used * 1.04)):
        assert try_write(client)[:2] == (None, Warned.MEMORY)
    with configured(client, maxmemory=used * 10):
        assert try_write(client)[:2] == (None, None)
    with configured(client, maxmemory=used * 10, maxmemory_policy="allkeys-lru"):
        assert try_write(client).warning is Warned.EVICTS


def test_too_few_replicas_refuse_writes(client: redis.Redis) -> None:
    """As any other reason for which Redis refuses them."""
    with configured(client, min_replicas_to_write=1):
        assert try_write(client).refused is Refused.OTHER


def test_an_unreachable_redis_is_another_fault() -> None:
    with (
        connect(RedisSettings(host="127.0.0.1", port=free_port())) as closed,
        pytest.raises(redis.RedisError),
    ):
        try_write(closed)


def test_a_user_that_may_not_read_the_state_of_redis(client: redis.Redis) -> None:
    client.acl_setuser(
        "limited",
        enabled=True,
        passwords=["+secret"],
        keys=["*"],
        commands=["+set", "+ping", "+client"],
    )
    port = client.connection_pool.connection_kwargs["port"]
    try:
        with redis.Redis(port=port, username="limited", password="secret") as limited:
            assert try_write(limited) == RedisWrites()
    finally:
        client.acl_deluser("limited")
