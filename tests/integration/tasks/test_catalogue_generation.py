"""A generation ends before a change can be seen, and a new one starts after it."""

import time
from collections.abc import Iterator

import pytest
import redis

from api.access.redis_outage import RedisCircuitBreaker
from api.lookups.tracked_generation import TrackedGeneration
from cli.stack.servers.ports import LOOPBACK, free_port
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import RedisSettings, Settings
from tasks.clocks.shared_clock import redis_time
from tasks.redis_state import catalogue_generation
from tests.support.clock import Clock
from tests.support.processes.scratch_redis import on_scratch, scratch_redis

PERSIST = "submission.persist"


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with scratch_redis(settings):
        yield connect(on_scratch(settings).redis)


def end(client: redis.Redis, name: str, outcome: object, *, succeeded: bool = True) -> None:
    catalogue_generation.task_ended(client, name, "1", outcome, succeeded=succeeded)


def test_an_empty_redis_has_a_generation(client: redis.Redis) -> None:
    assert catalogue_generation.read(client) is not None


@pytest.mark.parametrize("name", sorted(catalogue_generation.CHANGING))
def test_there_is_no_generation_while_a_task_may_change_the_catalogue(
    client: redis.Redis, name: str
) -> None:
    before = catalogue_generation.read(client)
    catalogue_generation.task_begins(client, name, "1")
    assert catalogue_generation.read(client) is None
    end(client, name, 17)
    assert catalogue_generation.read(client) not in (None, before)


def test_every_change_starts_a_new_generation(client: redis.Redis) -> None:
    seen = set()
    for _ in range(3):
        end(client, PERSIST, 17)
        seen.add(catalogue_generation.read(client))
        catalogue_generation.renew(client)
        seen.add(catalogue_generation.read(client))
    assert len(seen) == 6


def test_a_task_without_changes_keeps_the_generation(client: redis.Redis) -> None:
    end(client, catalogue_generation.INDEXING, 17)
    before = catalogue_generation.read(client)
    for name, outcome in (
        (catalogue_generation.INDEXING, 17),
        ("maintenance.merge_missing_mbids", {}),
    ):
        catalogue_generation.task_begins(client, name, "1")
        end(client, name, outcome)
        assert catalogue_generation.read(client) == before


def test_a_failed_task_starts_a_new_generation(client: redis.Redis) -> None:
    for name in catalogue_generation.CHANGING:
        before = catalogue_generation.read(client)
        end(client, name, ValueError("late"), succeeded=False)
        assert catalogue_generation.read(client) != before


def test_other_tasks_keep_the_generation(client: redis.Redis) -> None:
    before = catalogue_generation.read(client)
    catalogue_generation.task_begins(client, "lookup.validate", "1")
    end(client, "lookup.validate", None)
    assert catalogue_generation.read(client) == before


def test_a_task_removes_only_its_own_mark(client: redis.Redis) -> None:
    catalogue_generation.task_begins(client, PERSIST, "1")
    catalogue_generation.task_begins(client, PERSIST, "2")
    end(client, PERSIST, 17)
    assert catalogue_generation.read(client) is None


def test_the_next_task_removes_an_old_mark(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue_generation.task_begins(client, PERSIST, "lost")
    assert catalogue_generation.read(client) is None
    monkeypatch.setattr(catalogue_generation, "MARK_LIFETIME", 0.0)
    catalogue_generation.task_begins(client, PERSIST, "1")
    end(client, PERSIST, [])
    assert catalogue_generation.read(client) is not None


@pytest.mark.parametrize("caches", [True, False])
def test_the_mark_of_a_lost_task_is_ignored_after_its_lifetime(
    client: redis.Redis, caches: bool
) -> None:
    """No other task need run."""
    before = catalogue_generation.read(client)
    clock = Clock(time.time() + 3600)  # the clock of Redis, which is not that of this host
    generations = TrackedGeneration(client, RedisCircuitBreaker(), clock, caches=caches)
    client.hset(catalogue_generation.KEY, "task:lost", int(clock.now))
    assert generations.current() is None
    clock.now += catalogue_generation.MARK_LIFETIME - 5
    assert generations.current() is None
    clock.now += 6
    assert generations.current() == before


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_mark_of_a_wrong_clock_is_removed(client: redis.Redis, seconds: float) -> None:
    """A worker of the version before stored the time of its own clock."""
    client.hset(catalogue_generation.KEY, "task:old", str(redis_time(client) + seconds))
    catalogue_generation.task_begins(client, PERSIST, "1")
    end(client, PERSIST, [])
    assert catalogue_generation.read(client) is not None


def test_a_command_starts_a_new_generation(client: redis.Redis, settings: Settings) -> None:
    before = catalogue_generation.read(client)
    catalogue_generation.renew_at(on_scratch(settings).redis)
    assert catalogue_generation.read(client) != before


@pytest.mark.parametrize("caches", [True, False])
def test_a_front_end_reads_the_current_generation(client: redis.Redis, caches: bool) -> None:
    generations = TrackedGeneration(client, RedisCircuitBreaker(), caches=caches)
    assert generations.current() == catalogue_generation.read(client)
    catalogue_generation.renew(client)
    assert generations.current() == catalogue_generation.read(client)
    catalogue_generation.task_begins(client, PERSIST, "1")
    client.ping()
    assert generations.current() is None
    end(client, PERSIST, [])
    client.ping()
    assert generations.current() == catalogue_generation.read(client)


@pytest.mark.parametrize("caches", [True, False])
def test_a_front_end_without_redis_has_no_generation(caches: bool) -> None:
    nowhere = RedisSettings.model_validate({"host": LOOPBACK, "port": free_port()})
    client = connect(nowhere, timeout=1)
    assert TrackedGeneration(client, RedisCircuitBreaker(), caches=caches).current() is None
