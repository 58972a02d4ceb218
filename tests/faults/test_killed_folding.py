"""Folding is interrupted at each step, in three ways: the sums are exact each time."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count

import pytest
import redis

from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks.periodic.statistics import LOOKUPS, USER_AGENTS, CounterKind, fold
from tests.support.catalogue.counted_lookups import (
    Totals,
    left,
    lookups,
    make_applications,
    put,
    user_agents,
)
from tests.support.processes.interruptions import (
    DIED,
    At,
    Dying,
    Failing,
    InterruptedSqlError,
    in_a_child,
    watch_redis,
    watch_sql,
)
from tests.support.processes.scratch_redis import on_scratch, scratch_redis

DAY = "2026-01-31"
BATCH = 2  # so that three fields are two batches


class Folder:
    """Folds one kind of counters and computes the expected sums."""

    def __init__(
        self, settings: Settings, client: redis.Redis, databases: Databases, kind: CounterKind
    ) -> None:
        self.settings = on_scratch(settings)
        self.client = client
        self.databases = databases
        self.kind = kind
        self.application_id = make_applications(databases, 1)[0]
        self.expected: Totals = Counter()

    def count(self, number: int) -> None:
        """Add a different number to each of three fields."""
        app = self.application_id
        for at in range(3):
            if self.kind is LOOKUPS:
                field, place = f"{DAY}:1{at}:{app}:hit", (DAY, 10 + at, app, True)
            else:
                field, place = f"{DAY}:{app}:agent:10.0.0.{at}", (DAY, app, "agent", f"10.0.0.{at}")
            put(self.client, self.kind.key, {field: number + at})
            self.expected[place] += number + at

    def fold(self, at: At | None = None) -> None:
        """Fold with new connections, like a new process."""
        databases = Databases(self.settings)
        with connect(self.settings.redis) as client:
            if at is not None:
                watch_redis(client, at)
                watch_sql(databases.engine("app"), at)
            try:
                fold(client, databases, self.kind, batch_size=BATCH)
            finally:
                databases.dispose()

    def check(self) -> None:
        """Check that PostgreSQL has the expected sums and Redis has no counters."""
        found = lookups if self.kind is LOOKUPS else user_agents
        assert found(self.databases) == self.expected
        assert left(self.client) == set()


@pytest.fixture(params=[LOOKUPS, USER_AGENTS], ids=["lookups", "user agents"])
def folder(
    request: pytest.FixtureRequest, settings: Settings, databases: Databases
) -> Iterator[Folder]:
    with scratch_redis(settings) as client:
        yield Folder(settings, client, databases, request.param)


def dies(folder: Folder, number: int) -> bool:
    """Fold in a process that is killed at a step; return whether it reached the step."""
    status = in_a_child(lambda: folder.fold(Dying(number)))
    assert status in {0, DIED}
    return status == DIED


def stumbles(folder: Folder, number: int) -> bool:
    """Fold while one step fails; the Redis client repeats it."""
    return _fails(folder, Failing(number))


def is_cut_off(folder: Folder, number: int) -> bool:
    """Fold while all steps from one on fail."""
    return _fails(folder, Failing(number, outage=True))


def _fails(folder: Folder, at: Failing) -> bool:
    try:
        folder.fold(at)
    except (InterruptedSqlError, redis.exceptions.ConnectionError):
        assert at.reached
    return at.reached


End = Callable[[Folder, int], bool]
WAYS = pytest.mark.parametrize("ends", [dies, stumbles, is_cut_off])


@WAYS
def test_the_next_run_completes_an_interrupted_one(folder: Folder, ends: End) -> None:
    for number in count(1):
        folder.count(number)
        if not ends(folder, number):
            break
        folder.fold()
        folder.check()
    folder.check()
    assert number > 40  # every message and statement of two batches, before and after


@WAYS
def test_one_run_completes_many_interrupted_ones(folder: Folder, ends: End) -> None:
    for number in range(45, 8, -2):
        folder.count(number)
        ends(folder, number)
    folder.fold()
    folder.check()
