"""The index is searched while it is behind the database by at most the permitted lag."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from cli.stack.servers.ports import free_port
from pipeline.index import open_reader
from pipeline.lookups.changelog_lag import ChangelogLag, replay_delay
from pipeline.lookups.condition import Condition
from pipeline.lookups.index_verdict import CHECK_EVERY, STALL_WAIT
from pipeline.lookups.trusted_index import TrustedIndex
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.integration.lookups.test_trusted_store import refusing_connections
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.index_conditions import ALL, CHANGELOG, found, searched
from tests.support.clock import Clock

MAX_LAG = 10.0


@pytest.fixture
def limited(importer: Importer, index_path: Path, clock: Clock) -> Iterator[TrustedIndex]:
    """The complete index of seven fingerprints, for lookups."""
    importer.update_index()
    with open_reader(index_path) as reader:
        yield TrustedIndex(lambda: reader, importer.databases, clock, max_lag=MAX_LAG)


def change(importer: Importer, *, age: float = 0.0) -> None:
    """Commit a changelog entry, written some seconds ago on the clock of the database."""
    written = sa.func.clock_timestamp() - sa.text(f"interval '{age} seconds'")
    entry = sa.insert(CHANGELOG).values(fingerprint_id=1, deleted=False, created=written)
    with importer.databases.engine("fingerprint").begin() as connection:
        connection.execute(entry)


def move_newest(importer: Importer, interval: str) -> None:
    """Change the time of the newest changelog entry, as if it were written at another time."""
    newest = sa.select(sa.func.max(CHANGELOG.c.id)).scalar_subquery()
    moved = CHANGELOG.c.created + sa.text(f"interval '{interval}'")
    with importer.databases.engine("fingerprint").begin() as connection:
        connection.execute(
            sa.update(CHANGELOG).where(CHANGELOG.c.id == newest).values(created=moved)
        )


@contextmanager
def held_query(databases: Databases, run: Callable[[], object]) -> Iterator[None]:
    """Run a function in a thread, and hold its first statement to the fingerprint database."""
    reached, released = threading.Event(), threading.Event()
    engine = databases.engine("fingerprint")

    def hold(*_: object) -> None:
        if not reached.is_set():
            reached.set()
            assert released.wait(30)

    sa.event.listen(engine, "before_cursor_execute", hold)
    thread = threading.Thread(target=run)
    try:
        thread.start()
        assert reached.wait(30)
        yield
    finally:
        released.set()
        thread.join(30)
        sa.event.remove(engine, "before_cursor_execute", hold)


def test_an_index_without_new_changes_is_current_for_ever(
    limited: TrustedIndex, clock: Clock
) -> None:
    for _ in range(4):
        assert found(limited) == ALL
        assert limited.lag() == 0.0
        clock.now += 1000.0


def test_an_index_that_stands_still_is_refused_after_the_permitted_lag(
    importer: Importer, limited: TrustedIndex, clock: Clock
) -> None:
    assert found(limited) == ALL
    change(importer)
    clock.now = MAX_LAG - 0.1
    move_newest(importer, f"-{MAX_LAG - 0.5} seconds")
    assert found(limited) == ALL
    clock.now = MAX_LAG + 1.0
    move_newest(importer, "-1.5 seconds")
    assert found(limited) is Condition.LAGGING
    move_newest(importer, "-1000 seconds")
    clock.now += 1000.0
    assert found(limited) is Condition.LAGGING
    assert (limited.lag() or 0) > 1000.0
    importer.update_index()
    assert found(limited) == ALL


def test_a_change_that_no_comparison_has_missed_is_judged_by_its_age(
    importer: Importer, limited: TrustedIndex, clock: Clock
) -> None:
    """A worker that did not compare for a while refuses nothing that is current."""
    assert found(limited) == ALL
    clock.now += 1000.0
    change(importer, age=3.0)
    assert found(limited) == ALL
    assert limited.lag() == pytest.approx(3.0, abs=0.5)
    clock.now += 6.0
    move_newest(importer, "-6 seconds")
    assert searched(limited) == ALL
    clock.now += 1.5
    move_newest(importer, "-1.5 seconds")
    assert found(limited) is Condition.LAGGING


def test_a_long_transaction_does_not_make_the_index_lag(
    importer: Importer, limited: TrustedIndex, clock: Clock
) -> None:
    """Its entries are old when they are committed."""
    assert found(limited) == ALL
    clock.now += 2.0
    change(importer, age=60.0)
    assert found(limited) == ALL
    assert limited.lag() == pytest.approx(2.0, abs=0.5)


@pytest.mark.parametrize("interval", ["1 hour", "-1 hour"])
def test_a_clock_of_the_database_that_is_put_right_does_not_matter(
    importer: Importer, limited: TrustedIndex, clock: Clock, interval: str
) -> None:
    assert found(limited) == ALL
    change(importer)
    move_newest(importer, interval)
    clock.now += 3.0
    assert found(limited) == ALL
    clock.now += MAX_LAG
    assert found(limited) is Condition.LAGGING


def test_a_new_worker_refuses_an_index_that_stands_still(
    importer: Importer, limited: TrustedIndex
) -> None:
    change(importer, age=MAX_LAG)
    assert found(limited) is Condition.LAGGING


def test_without_a_limit_no_index_lags(importer: Importer, index_path: Path, clock: Clock) -> None:
    importer.update_index()
    change(importer, age=1000.0)
    with open_reader(index_path) as reader:
        index = TrustedIndex(lambda: reader, importer.databases, clock, max_lag=0.0)
        assert found(index) == ALL
        assert (index.lag() or 0) == pytest.approx(1000.0, abs=1.0)
        clock.now += 1000.0
        assert found(index) == ALL


def test_without_its_database_an_index_is_used_for_the_permitted_lag(
    settings: Settings, importer: Importer, index_path: Path, clock: Clock
) -> None:
    importer.update_index()
    databases = Databases(settings)
    with open_reader(index_path) as reader:
        index = TrustedIndex(lambda: reader, databases, clock, max_lag=MAX_LAG)
        assert found(index) == ALL
        databases.dispose()
        with refusing_connections(settings):
            clock.now += MAX_LAG - 0.1
            assert found(index) == ALL
            clock.now += 0.2
            assert found(index) is Condition.UNREACHABLE
        clock.now += CHECK_EVERY
        assert found(index) == ALL
    databases.dispose()


def test_the_read_only_database_shows_that_the_index_is_current(
    settings: Settings, importer: Importer, index_path: Path, clock: Clock
) -> None:
    importer.update_index()
    away = settings.database_fingerprint.model_copy(update={"port": free_port()})
    databases = Databases(settings.model_copy(update={"database_fingerprint": away}))
    with open_reader(index_path) as reader:
        index = TrustedIndex(lambda: reader, databases, clock, max_lag=MAX_LAG)
        for _ in range(3):
            assert found(index) == ALL
            clock.now += MAX_LAG
        change(importer, age=MAX_LAG)
        clock.now += MAX_LAG
        assert found(index) in {Condition.LAGGING, Condition.UNREACHABLE}
    databases.dispose()


def test_a_query_that_hangs_stops_searches_only_after_the_permitted_lag(
    importer: Importer, limited: TrustedIndex, clock: Clock
) -> None:
    assert found(limited) == ALL
    with held_query(importer.databases, limited.condition):
        clock.now += MAX_LAG - 0.1
        assert searched(limited) == ALL
        clock.now += 0.2
        assert searched(limited) is Condition.UNREACHABLE
    clock.now += STALL_WAIT
    assert found(limited) == ALL


def test_states_of_several_index_servers_are_measured_separately(
    importer: Importer, clock: Clock
) -> None:
    """A server that is behind does not get the times of one that is current."""
    lag = ChangelogLag(clock)
    with importer.databases.engine("fingerprint").connect() as connection:
        newest = connection.scalar(sa.select(sa.func.max(CHANGELOG.c.id)))
        assert lag.measure(connection, newest) == clock.now
        clock.now += 1.0
        change(importer, age=500.0)
        connection.commit()
        assert lag.measure(connection, newest) == clock.now - 1.0
        assert lag.measure(connection, newest + 1) == clock.now
        clock.now += 5.0
        assert lag.measure(connection, newest) == clock.now - 6.0
        assert lag.measure(connection, newest - 1) < clock.now - 400.0


@pytest.mark.parametrize(
    ("received", "has_receiver", "expected"),
    [("0/2", True, 0.0), ("0/3", True, 100.0), ("0/2", False, 100.0), (None, False, 100.0)],
)
def test_the_delay_of_a_replica_that_stands_still(
    databases: Databases, received: str | None, *, has_receiver: bool, expected: float
) -> None:
    """The functions of PostgreSQL have the values of a replica, in a schema that is searched first.

    A replica without a receiver has replayed all, but its primary may have committed more.
    """
    values = {
        "pg_is_in_recovery": "boolean AS $$SELECT true$$",
        "pg_last_wal_replay_lsn": "pg_lsn AS $$SELECT '0/2'::pg_lsn$$",
        "pg_last_wal_receive_lsn": f"pg_lsn AS $$SELECT {(received and repr(received)) or 'NULL'}"
        "::pg_lsn$$",
        "pg_last_xact_replay_timestamp": "timestamptz AS $$SELECT now() - interval '100 s'$$",
    }
    with databases.engine("fingerprint").connect() as connection:
        assert replay_delay(connection) == 0.0  # this server is no replica
        connection.execute(sa.text("CREATE SCHEMA replica"))
        for name, value in values.items():
            connection.execute(
                sa.text(f"CREATE FUNCTION replica.{name}() RETURNS {value} LANGUAGE sql")
            )
        connection.execute(
            sa.text(f"CREATE VIEW replica.pg_stat_wal_receiver AS SELECT 1 WHERE {has_receiver}")
        )
        connection.execute(sa.text("SET LOCAL search_path = replica, pg_catalog"))
        assert replay_delay(connection) == pytest.approx(expected, abs=5.0)
        connection.rollback()


def test_the_delay_of_the_replica_counts(
    settings: Settings,
    importer: Importer,
    index_path: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    importer.update_index()
    away = settings.database_fingerprint.model_copy(update={"port": free_port()})
    databases = Databases(settings.model_copy(update={"database_fingerprint": away}))
    monkeypatch.setattr(
        "pipeline.lookups.index_comparison.replay_delay", lambda _connection: MAX_LAG + 1
    )
    with open_reader(index_path) as reader:
        index = TrustedIndex(lambda: reader, databases, clock, max_lag=MAX_LAG)
        assert found(index) is Condition.LAGGING
    databases.dispose()
