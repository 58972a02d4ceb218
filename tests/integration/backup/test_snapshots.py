"""The snapshots of a backup: what is in them, while other transactions commit."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from cli.backup.snapshots import Snapshot, find_sources, open_snapshots, service_identity
from pipeline.catalog.advisory_locks import lock_catalogue
from pipeline.catalog.app.tables import account, application
from pipeline.catalog.fingerprint.tables import track, track_mbid
from pipeline.catalog.ingest.tables import pruned_submission
from pipeline.runtime.databases import DatabaseName, Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.imports import MBID
from tests.support.polling import eventually


@contextmanager
def snapshots(settings: Settings, databases: Databases) -> Iterator[dict[str, Snapshot]]:
    sources, _ = find_sources(settings, databases)
    with open_snapshots(databases, sources) as taken:
        yield {name: each for each in taken for name in each.source.names}


def insert_everywhere(databases: Databases, number: int) -> None:
    """Insert a row into each database."""
    inserted: dict[DatabaseName, sa.Insert] = {
        "ingest": sa.insert(pruned_submission).values(state=f"state {number}", count=1),
        "fingerprint": sa.insert(track).values(gid=sa.func.gen_random_uuid()),
        "app": sa.insert(account).values(name="A", apikey=f"key {number}"),
    }
    for name, statement in inserted.items():
        with databases.engine(name).begin() as connection:
            connection.execute(statement)


def counts(taken: dict[str, Snapshot]) -> list[int]:
    tables = {"ingest": pruned_submission, "fingerprint": track, "app": account}
    return [
        taken[name].connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for name, table in tables.items()
    ]


def test_snapshots_have_what_was_committed_before_and_nothing_later(
    settings: Settings, databases: Databases
) -> None:
    insert_everywhere(databases, 1)
    with snapshots(settings, databases) as taken:
        insert_everywhere(databases, 2)
        assert counts(taken) == [1, 1, 1]
    with snapshots(settings, databases) as taken:
        assert counts(taken) == [2, 2, 2]


def test_another_connection_reads_the_same_snapshot(
    settings: Settings, databases: Databases
) -> None:
    insert_everywhere(databases, 1)
    with snapshots(settings, databases) as taken:
        insert_everywhere(databases, 2)
        engine = databases.engine("fingerprint").execution_options(
            isolation_level="REPEATABLE READ"
        )
        with engine.connect() as connection:
            name = taken["fingerprint"].name
            connection.execute(sa.text(f"SET TRANSACTION SNAPSHOT '{name}'"))
            found = connection.execute(sa.select(sa.func.count()).select_from(track))
            assert found.scalar_one() == 1


def taken_in_background(
    settings: Settings, databases: Databases, work: Callable[[dict[str, Snapshot]], None]
) -> threading.Thread:
    def take() -> None:
        with snapshots(settings, databases) as taken:
            work(taken)

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    return thread


def test_a_change_that_is_half_committed_is_waited_for(
    settings: Settings, databases: Databases
) -> None:
    """A merge commits the ingest database first, while it holds the lock of the catalogue."""
    found: list[list[int]] = []
    with databases.engine("fingerprint").begin() as connection:
        lock_catalogue(connection)
        connection.execute(sa.insert(track).values(gid=sa.func.gen_random_uuid()))
        thread = taken_in_background(settings, databases, lambda taken: found.append(counts(taken)))
        thread.join(2.5)
        assert thread.is_alive()
        with databases.engine("ingest").begin() as ingest:
            ingest.execute(sa.insert(pruned_submission).values(state="late", count=1))
    thread.join(20)
    assert found == [[1, 1, 0]]


def test_a_change_of_links_is_waited_for_without_a_deadlock(
    settings: Settings, databases: Databases
) -> None:
    """A transaction that has written links may wait for the lock of the catalogue later."""
    found: list[list[int]] = []
    with databases.engine("fingerprint").begin() as connection:
        made = sa.insert(track).values(gid=sa.func.gen_random_uuid()).returning(track.c.id)
        track_id = connection.execute(made).scalar_one()
        connection.execute(
            sa.insert(track_mbid).values(track_id=track_id, mbid=MBID, submission_count=1)
        )
        thread = taken_in_background(settings, databases, lambda taken: found.append(counts(taken)))
        eventually(lambda: waits_for_a_lock(databases))
        lock_catalogue(connection)
    thread.join(20)
    assert found == [[0, 1, 0]]


def waits_for_a_lock(databases: Databases) -> bool:
    with databases.engine("fingerprint").connect() as connection:
        waiting = sa.text(
            "SELECT count(*) FROM pg_locks WHERE NOT granted "
            "AND relation = 'track_mbid'::regclass AND mode = 'ShareLock'"
        )
        return bool(connection.scalar(waiting))


def test_imports_go_on_while_the_snapshots_are_open(
    settings: Settings, databases: Databases
) -> None:
    with snapshots(settings, databases):
        begun = time.monotonic()
        with databases.engine("fingerprint").begin() as connection:
            lock_catalogue(connection, 1.0)
            connection.execute(sa.update(track_mbid).values(disabled=True))
        assert time.monotonic() - begun < 1


def test_an_idle_transaction_of_a_snapshot_is_not_ended_by_the_server(
    settings: Settings, databases: Databases
) -> None:
    role = settings.database.user
    with databases.engine("app").begin() as connection:
        connection.execute(
            sa.text(f"ALTER ROLE {role} SET idle_in_transaction_session_timeout = 100")
        )
    databases.dispose()
    try:
        with snapshots(settings, databases) as taken:
            time.sleep(0.5)
            assert counts(taken) == [0, 0, 0]
    finally:
        with databases.engine("app").begin() as connection:
            connection.execute(
                sa.text(f"ALTER ROLE {role} RESET idle_in_transaction_session_timeout")
            )
        databases.dispose()


def test_a_service_has_one_identity(settings: Settings, databases: Databases) -> None:
    other = Databases(
        settings.model_copy(update={"database_fingerprint": settings.database}), component="tests"
    )
    try:
        found = {service_identity(each) for each in (databases, databases, other)}
    finally:
        other.dispose()
    assert len(found) == 2


@pytest.mark.parametrize("table", [account, application])
def test_a_snapshot_cannot_change_anything(
    settings: Settings, databases: Databases, table: sa.Table
) -> None:
    with (
        snapshots(settings, databases) as taken,
        pytest.raises(sa.exc.InternalError, match="read-only transaction"),
    ):
        taken["app"].connection.execute(sa.delete(table))
