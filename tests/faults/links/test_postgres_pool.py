"""Uses of PostgreSQL end in time while the link to it is dead, and work again afterwards."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from pipeline.runtime.databases import DATABASE_UNREACHABLE, Databases
from pipeline.runtime.links import guarded_pool
from pipeline.runtime.links.connection_limits import POSTGRES_FRONT_END
from pipeline.runtime.links.deadline import ends_by
from pipeline.runtime.links.guarded_pool import GRACE, DatabaseAwayError
from pipeline.settings.sections import Settings
from tests.support.links.proxy import LinkProxy
from tests.support.polling import eventually

SLACK = 1.0
"""Seconds by which a use may exceed its limit, as in the issue's promise."""

FAULTS = {"freeze": LinkProxy.freeze, "half_open": LinkProxy.half_open, "cut": LinkProxy.cut}


@pytest.fixture
def link(settings: Settings) -> Iterator[LinkProxy]:
    """Return a link to PostgreSQL."""
    with LinkProxy(settings.database.host, settings.database.port) as proxy:
        yield proxy


@pytest.fixture
def behind(settings: Settings, link: LinkProxy) -> Iterator[Databases]:
    """Return databases that are reached by the link; a use may take 0.6 s."""
    app = settings.database.model_copy(
        update={"host": link.host, "port": link.port, "sslmode": "disable"}
    )
    ingest = settings.database_ingest.model_copy(
        update={"host": link.host, "port": link.port, "sslmode": "disable"}
    )
    databases = Databases(
        settings.model_copy(
            update={"database": app, "database_ro": app, "database_ingest": ingest}
        ),
        limits=replace(POSTGRES_FRONT_END, connect=2, reply=0.6),
    )
    yield databases
    databases.dispose()


def select(databases: Databases) -> int:
    """Run a statement."""
    with databases.engine("app").connect() as connection:
        return int(connection.scalar(sa.text("SELECT 1")) or 0)


def seconds_until_failure(use: Callable[[], object]) -> float:
    """Return the seconds until a use fails as uses of an unreachable database do."""
    begun = time.monotonic()
    with pytest.raises(DATABASE_UNREACHABLE):
        use()
    return time.monotonic() - begun


def run_too_long(databases: Databases) -> None:
    """Run a statement that takes longer than a use may take."""
    with pytest.raises(exc.OperationalError), databases.engine("app").connect() as connection:
        connection.execute(sa.text("SELECT pg_sleep(3)"))


@pytest.mark.parametrize("fault", FAULTS)
def test_connections_in_use_end_and_all_are_replaced(
    behind: Databases, link: LinkProxy, fault: str
) -> None:
    """A statement on a dead link fails in time; after the fault the first use works."""
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: select(behind), range(16)))  # several connections

        def use_during_fault() -> None:
            with behind.engine("app").connect() as connection:
                connection.scalar(sa.text("SELECT 1"))
                FAULTS[fault](link)
                connection.scalar(sa.text("SELECT 2"))

        assert seconds_until_failure(use_during_fault) < 0.6 + SLACK
        link.restore()
        assert list(threads.map(lambda _: select(behind), range(16))) == [1] * 16


def test_the_pools_of_a_server_doubt_it_together(
    behind: Databases, link: LinkProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one use of a dead connection, the other databases wait for a ping only."""
    monkeypatch.setattr(guarded_pool, "PING_TIME", 0.1)
    engines = [behind.engine("app"), behind.engine("ingest")]
    for engine in engines:
        with engine.connect() as connection:
            connection.scalar(sa.text("SELECT 1"))
    link.half_open()
    link.restore()  # the open connections stay dead
    assert seconds_until_failure(lambda: select(behind)) >= 0.6
    for engine in reversed(engines):
        begun = time.monotonic()
        with engine.connect() as connection:
            connection.scalar(sa.text("SELECT 1"))
        assert time.monotonic() - begun < 0.6


def test_a_statement_that_waits_ends_with_the_deadline(behind: Databases, link: LinkProxy) -> None:
    """The deadline of the thread limits a use that could take longer otherwise."""
    select(behind)

    def use() -> None:
        with ends_by(time.monotonic() + 0.3):
            select(behind)

    link.freeze()
    assert seconds_until_failure(use) < 0.3 + GRACE + SLACK / 2


def test_a_database_that_is_away_is_refused_at_once(behind: Databases, link: LinkProxy) -> None:
    """After a failed connection all uses are refused at once, until the link works again."""
    link.freeze()
    assert seconds_until_failure(lambda: select(behind)) < 2 + SLACK
    begun = time.monotonic()
    for _ in range(100):
        with pytest.raises(DatabaseAwayError) as refused:
            select(behind)
        assert 0 <= refused.value.retry_after <= 1
    assert time.monotonic() - begun < 0.5
    link.restore()
    assert eventually(lambda: _works(behind), seconds=15)
    assert select(behind) == 1


def test_no_use_begins_after_the_deadline(behind: Databases) -> None:
    """A request whose time is over takes no connection."""
    with (
        ends_by(time.monotonic()),
        pytest.raises(exc.TimeoutError, match="deadline has passed"),
    ):
        select(behind)
    assert select(behind) == 1


def test_no_use_waits_for_a_full_pool_beyond_its_deadline(
    settings: Settings, behind: Databases
) -> None:
    """A request with less time than the pool's timeout waits until its deadline."""
    engine = behind.engine("app")
    taken = [engine.connect() for _ in range(settings.database.pool_size)]
    begun = time.monotonic()
    with ends_by(begun + 0.2), pytest.raises(exc.TimeoutError, match="are in use"):
        engine.connect()
    assert 0.2 <= time.monotonic() - begun < 0.2 + SLACK / 2
    for connection in taken:
        connection.close()


def test_a_use_with_little_time_gets_a_connection_that_becomes_free(
    settings: Settings, behind: Databases
) -> None:
    """Such as a health check, whose time is not longer than the pool's timeout."""
    engine = behind.engine("app")
    taken = [engine.connect() for _ in range(settings.database.pool_size)]
    with ThreadPoolExecutor(1) as threads, ends_by(time.monotonic() + 1.0):
        threads.submit(lambda: (time.sleep(0.1), taken[0].close()))
        begun = time.monotonic()
        assert select(behind) == 1
        assert time.monotonic() - begun < 0.5
    for connection in taken[1:]:
        connection.close()


def test_a_slow_link_is_no_fault(behind: Databases, link: LinkProxy) -> None:
    """A link with a delay below the limits works."""
    link.delay(0.02)
    assert select(behind) == 1


def test_a_client_that_stops_in_a_transaction_loses_its_locks(behind: Databases) -> None:
    """The server ends the transaction of a client that is stopped, and limits waits for locks."""
    with behind.engine("app").connect() as connection:
        names = ("idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout")
        shown = [connection.scalar(sa.text(f"SHOW {name}")) for name in names]
        tcp = connection.scalar(sa.text("SHOW tcp_user_timeout"))
    assert shown == ["15s", "5s", "10s"]
    assert tcp == "10000"


def _works(databases: Databases) -> bool:
    try:
        return select(databases) == 1
    except DATABASE_UNREACHABLE:
        return False


def test_slow_statements_stop_no_other_use(behind: Databases) -> None:
    """Statements that take too long are no outage, also if a trial is due when they begin."""
    run_too_long(behind)
    with ThreadPoolExecutor(3) as threads:
        slow = [threads.submit(run_too_long, behind) for _ in range(3)]
        begun = time.monotonic()
        while time.monotonic() < begun + 1.2:  # their end is at 0.6 s or soon after
            assert select(behind) == 1
            time.sleep(0.02)
        for each in slow:
            each.result(10)
    assert select(behind) == 1


def test_a_trial_without_time_for_a_connection_stops_no_other_use(behind: Databases) -> None:
    """A request that is about to end can't try the database; the next one does."""
    run_too_long(behind)
    with (
        ends_by(time.monotonic() + guarded_pool.SHORTEST_CONNECT / 2),
        pytest.raises(exc.TimeoutError, match="no time for a new connection"),
    ):
        select(behind)
    assert select(behind) == 1


def test_a_trial_that_meets_a_full_pool_stops_no_other_use(
    settings: Settings, behind: Databases
) -> None:
    """A use of the same database by another pool does not wait for it."""
    engine = behind.engine("app")
    taken = [engine.connect() for _ in range(settings.database.pool_size)]
    with pytest.raises(exc.OperationalError), behind.reading("app") as connection:
        connection.execute(sa.text("SELECT pg_sleep(3)"))
    with ends_by(time.monotonic() + 0.2), pytest.raises(exc.TimeoutError, match="are in use"):
        engine.connect()
    with behind.reading("app") as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    for each in taken:
        each.close()


def test_a_ping_ends_with_the_deadline(
    behind: Databases, link: LinkProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request with little time does not wait for the whole time of a ping."""
    monkeypatch.setattr(guarded_pool, "PING_AFTER_IDLE", -1.0)
    select(behind)
    link.freeze()
    with ends_by(time.monotonic() + 0.2):
        assert seconds_until_failure(lambda: select(behind)) < 0.2 + GRACE + SLACK / 2
