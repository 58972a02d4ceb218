"""Counters are folded from Redis into PostgreSQL, with exact sums after any failure."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from structlog.testing import capture_logs

from pipeline.catalog.app import lookup_statistics
from pipeline.catalog.app.tables import stats_folded, stats_lookups
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.runtime.redis_counters import Counters
from pipeline.settings.sections import Settings
from tasks.periodic import statistics
from tasks.periodic.statistics import LOOKUPS, USER_AGENTS, fold
from tasks.redis_state.lookup_counters import count_lookups, count_user_agent
from tests.support.catalogue.counted_lookups import (
    left,
    lookups,
    make_applications,
    notes,
    put,
    user_agents,
)
from tests.support.polling import eventually
from tests.support.processes.interruptions import Failing, watch_redis
from tests.support.processes.scratch_redis import on_scratch, scratch_redis

DAY = "2026-01-31"
NOON = datetime(2026, 1, 31, 12, 1, tzinfo=UTC)


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with scratch_redis(settings) as client:
        yield client


@pytest.fixture
def app(databases: Databases) -> int:
    [application_id] = make_applications(databases, 1)
    return application_id


def test_counters_of_the_front_end_are_folded(client, databases, app) -> None:
    counters = Counters(client)
    count_lookups(counters, app, [True, False, True], now=NOON.timestamp)
    count_lookups(counters, app, [False], now=(NOON + timedelta(hours=12)).timestamp)
    count_user_agent(counters, app, "a/1 (b)", "::1", now=NOON.timestamp)
    count_user_agent(counters, app, "a/1 (b)", "::1", now=NOON.timestamp)
    counters.close()
    assert fold(client, databases, LOOKUPS) == 3
    assert fold(client, databases, USER_AGENTS) == 1
    assert lookups(databases) == {
        (DAY, 12, app, True): 2,
        (DAY, 12, app, False): 1,
        ("2026-02-01", 0, app, False): 1,
    }
    assert user_agents(databases) == {(DAY, app, "a/1 (b)", "::1"): 2}
    assert left(client) == set()


def test_later_counts_are_added_to_earlier_ones(client, databases, app) -> None:
    for _ in range(3):
        put(client, "lookups", {f"{DAY}:12:{app}:hit": 5})
        assert fold(client, databases, LOOKUPS) == 1
        assert fold(client, databases, LOOKUPS) == 0
    assert lookups(databases) == {(DAY, 12, app, True): 15}
    assert notes(databases) == 3


def test_unknown_applications_are_dropped_with_a_warning(client, databases, app) -> None:
    put(client, "lookups", {f"{DAY}:12:{each}:hit": 1 for each in (app, app + 1, app + 2)})
    put(client, "ua", {f"{DAY}:{each}:agent:127.0.0.1": 1 for each in (app, app + 9)})
    with capture_logs() as logs:
        fold(client, databases, LOOKUPS)
        fold(client, databases, USER_AGENTS)
    assert lookups(databases) == {(DAY, 12, app, True): 1}
    assert user_agents(databases) == {(DAY, app, "agent", "127.0.0.1"): 1}
    unknown = [entry["applications"] for entry in logs if "applications" in entry]
    assert unknown == [[app + 1, app + 2], [app + 9]]
    assert left(client) == set()


def test_malformed_counters_are_dropped_with_a_warning(client, databases, app) -> None:
    good = f"{DAY}:12:{app}:hit"
    put(client, "lookups", {good: 1, "nonsense": 1, f"{DAY}:99:{app}:hit": 1})
    client.hset("lookups", mapping={f"{DAY}:13:{app}:hit": "x", f"{DAY}:14:{app}:hit": -3})
    client.hset("lookups", f"{DAY}:15:{app}:hit", 0)
    with capture_logs() as logs:
        fold(client, databases, LOOKUPS)
    assert lookups(databases) == {(DAY, 12, app, True): 1}
    assert [entry["fields"] for entry in logs] == [4]
    assert left(client) == set()


def test_a_large_hash_is_folded_in_batches(client, databases, app) -> None:
    put(client, "ua", {f"{DAY}:{app}:agent:10.0.0.{n}": n + 1 for n in range(95)})
    assert fold(client, databases, USER_AGENTS, batch_size=10) == 95
    assert user_agents(databases) == {(DAY, app, "agent", f"10.0.0.{n}"): n + 1 for n in range(95)}
    assert notes(databases) == 10
    assert left(client) == set()


def test_the_next_run_folds_the_rest(client, databases, app) -> None:
    put(client, "lookups", {f"{DAY}:{hour}:{app}:hit": 1 for hour in range(10, 20)})
    with capture_logs() as logs:
        assert fold(client, databases, LOOKUPS, batch_size=4, time_limit=0) == 4
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert left(client) == {"lookups"}
    assert fold(client, databases, LOOKUPS, batch_size=4) == 6
    assert sum(lookups(databases).values()) == 10


def test_long_user_agents_are_cut_and_summed(client, databases, app) -> None:
    long = f"{DAY}:{app}:{'a' * 300}"
    put(client, "ua", {f"{long}x:1.2.3.4": 2, f"{long}y:1.2.3.4": 2})
    put(client, "ua", {f"{DAY}:{app}:nul%00:1.2.3.4": 1})
    fold(client, databases, USER_AGENTS)
    longest = "a" * lookup_statistics.LONGEST_USER_AGENT
    assert user_agents(databases) == {
        (DAY, app, longest, "1.2.3.4"): 4,
        (DAY, app, "nul ", "1.2.3.4"): 1,
    }


def test_a_sum_is_limited_to_the_largest_integer(client, databases, app) -> None:
    for _ in range(2):
        put(client, "lookups", {f"{DAY}:12:{app}:hit": 2**31 - 2})
        fold(client, databases, LOOKUPS)
    assert lookups(databases) == {(DAY, 12, app, True): 2**31 - 1}


def test_a_batch_that_cannot_be_folded_does_not_stop_others(client, databases, app) -> None:
    """A constraint makes one batch fail."""
    ban = "ALTER TABLE stats_lookups {} CONSTRAINT unlucky"
    with databases.engine("app").begin() as connection:
        connection.execute(sa.text(f"{ban.format('ADD')} CHECK (hour <> 13)"))
    try:
        put(client, "lookups", {f"{DAY}:13:{app}:hit": 7})
        for _ in range(2):
            put(client, "lookups", {f"{DAY}:12:{app}:hit": 1})
            with capture_logs() as logs:
                fold(client, databases, LOOKUPS, batch_size=1)
            assert [entry["log_level"] for entry in logs] == ["error"]
            assert len(left(client)) == 2
    finally:
        with databases.engine("app").begin() as connection:
            connection.execute(sa.text(ban.format("DROP")))
    assert lookups(databases) == {(DAY, 12, app, True): 2}
    fold(client, databases, LOOKUPS)
    assert lookups(databases) == {(DAY, 12, app, True): 2, (DAY, 13, app, True): 7}
    assert left(client) == set()


def test_a_repeated_command_takes_one_batch(client, databases, settings, app) -> None:
    """The client repeats a command after a lost reply. New counters were added meanwhile."""
    repeated = connect(on_scratch(settings).redis)
    at = Failing(0)

    def count_meanwhile(step: str) -> None:
        try:
            at(step)
        except redis.exceptions.ConnectionError:
            put(client, "lookups", {f"{DAY}:12:{app}:miss": 1})
            raise

    watch_redis(repeated, count_meanwhile)
    with repeated:
        assert fold(repeated, databases, LOOKUPS) == 0  # connected, and the script is there
        put(client, "lookups", {f"{DAY}:12:{app}:hit": 1})
        at.fail_at(4)  # the replies are to SMEMBERS and to the script
        fold(repeated, databases, LOOKUPS)
    assert at.reached
    fold(client, databases, LOOKUPS)
    assert lookups(databases) == {(DAY, 12, app, True): 1, (DAY, 12, app, False): 1}


def test_concurrent_folding_and_counting_is_exact(client, databases) -> None:
    apps = make_applications(databases, 3)
    expected: Counter[tuple[Any, ...]] = Counter()
    for _ in range(4 * 200):
        for at, each in enumerate(apps):
            expected[DAY, 12, each, at % 2 == 0] += 1
    done = threading.Event()

    def count(_: int) -> None:
        counters = Counters(client, every=0.002)
        for _ in range(200):
            for at, each in enumerate(apps):
                count_lookups(counters, each, [at % 2 == 0], now=NOON.timestamp)
                count_user_agent(counters, each, "agent", f"10.0.0.{at}", now=NOON.timestamp)
            counters.flush()
        counters.close()

    def fold_all(_: int) -> None:
        while not done.is_set():
            fold(client, databases, LOOKUPS, batch_size=2)
            fold(client, databases, USER_AGENTS, batch_size=2)

    with ThreadPoolExecutor(8) as threads:
        folders = [threads.submit(fold_all, number) for number in range(4)]
        list(threads.map(count, range(4)))
        done.set()
        for folder in folders:
            folder.result()
    fold(client, databases, LOOKUPS)
    fold(client, databases, USER_AGENTS)
    assert lookups(databases) == expected
    assert sum(user_agents(databases).values()) == 4 * 200 * 3
    assert left(client) == set()


def test_two_workers_with_the_same_batch_fold_it_once(client, databases, app) -> None:
    put(client, "lookups", {f"{DAY}:12:{app}:hit": 1})
    batch_id = statistics.take_batch(client, "lookups", 10)
    assert batch_id is not None
    first = databases.engine("app").connect()
    assert lookup_statistics.mark_folded(first, batch_id)
    with ThreadPoolExecutor(1) as threads:
        second = threads.submit(fold, client, databases, LOOKUPS)
        waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        with databases.engine("app").connect() as connection:
            eventually(lambda: connection.scalar(waiting))
        assert not second.done()
        first.rollback()
        assert second.result() == 1
    first.close()
    assert lookups(databases) == {(DAY, 12, app, True): 1}


def test_old_ids_are_deleted_except_those_of_waiting_batches(client, databases, app) -> None:
    put(client, "lookups", {f"{DAY}:12:{app}:hit": 1})
    waiting = statistics.take_batch(client, "lookups", 10)
    assert waiting is not None
    with databases.engine("app").begin() as connection:
        assert lookup_statistics.mark_folded(connection, waiting)
    put(client, "ua", {f"{DAY}:{app}:agent:127.0.0.1": 1})
    fold(client, databases, USER_AGENTS)
    assert statistics.prune(client, databases) == 0
    with databases.engine("app").begin() as connection:
        connection.execute(
            sa.update(stats_folded).values(created=sa.func.now() - timedelta(days=8))
        )
    assert statistics.prune(client, databases) == 1
    assert fold(client, databases, LOOKUPS) == 0
    assert statistics.prune(client, databases) == 1
    with databases.engine("app").connect() as connection:
        assert connection.execute(sa.select(stats_lookups)).first() is None
