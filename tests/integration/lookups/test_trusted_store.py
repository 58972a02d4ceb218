"""A store is read until the database notifies of a change."""

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
import structlog.testing

from pipeline.catalog.fingerprint import tables
from pipeline.catalog.fingerprint.changelog import CHANNEL, ChangelogWatch
from pipeline.catalog.fingerprint.track_merge import merge_tracks
from pipeline.fingerprint_store import open_store, open_store_writer
from pipeline.fingerprint_store.segment_format import SUFFIX
from pipeline.following.store_copy import StoreCopy
from pipeline.following.update_index import update_index
from pipeline.index import open_writer
from pipeline.lookups.condition import Condition
from pipeline.lookups.trusted_store import CHECK_EVERY, RETRY_AFTER, TrustedStore
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.index_conditions import move_in_time
from tests.support.catalogue.synthetic import fingerprint
from tests.support.polling import eventually

NOTICE = 5.0  # seconds that a notice may take on a machine that is busy
ALL = (0, 1 << 15)


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def importer(databases: Databases, index_path: Path) -> Importer:
    importer = Importer(databases, index_path)
    importer.run(*(importer.receipt(fingerprint(seed)) for seed in (1, 2, 3)), index=False)
    return importer


@pytest.fixture
def place(importer: Importer, tmp_path: Path) -> Path:
    update(importer, tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(importer: Importer, place: Path, clock: Clock) -> Iterator[TrustedStore]:
    """A store that is read, with a clock that the test sets."""
    trusted = TrustedStore(open_store(place), importer.databases, clock)
    assert held(trusted)
    yield trusted
    trusted.close()


@pytest.fixture
def watch(databases: Databases) -> Iterator[ChangelogWatch]:
    watch = ChangelogWatch(databases)
    assert watch.was_notified()  # the first call opens the connection
    assert not watch.was_notified()
    yield watch
    watch.close()


def update(importer: Importer, place: Path) -> None:
    with open_writer(importer.index_path) as writer, open_store_writer(place) as store:
        update_index(writer, importer.databases, followers=[StoreCopy(store)])


def held(trusted: TrustedStore) -> bool:
    """Return whether the store has the first three fingerprints: all or none of them."""
    found = trusted.find([1, 2, 3], *ALL)
    assert len(found.rows) in (0, 3)
    return bool(found.rows)


@contextmanager
def refusing_connections(settings: Settings) -> Iterator[None]:
    """Let PostgreSQL refuse new connections to the fingerprint database."""
    database = settings.database_fingerprint
    url = database.url().set(database="postgres")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    alter = f'ALTER DATABASE "{database.name}" WITH ALLOW_CONNECTIONS'
    with engine.connect() as connection:
        connection.exec_driver_sql(f"{alter} false")
        try:
            yield
        finally:
            connection.exec_driver_sql(f"{alter} true")


def merge(importer: Importer) -> None:
    first, second, *_ = importer.rows(tables.track)
    merge_tracks(importer.databases, first.id, [second.id])


def test_a_merge_of_tracks_sends_a_notification(importer: Importer, watch: ChangelogWatch) -> None:
    merge(importer)
    assert eventually(watch.was_notified, NOTICE)
    assert not watch.was_notified()


def test_a_deletion_sends_a_notification(importer: Importer, watch: ChangelogWatch) -> None:
    with importer.databases.engine("fingerprint").begin() as connection:
        connection.execute(sa.delete(tables.fingerprint))
    assert eventually(watch.was_notified, NOTICE)


def test_an_insertion_sends_no_notification(importer: Importer, watch: ChangelogWatch) -> None:
    importer.run(importer.receipt(fingerprint(4)), importer.receipt(fingerprint(1)))
    with importer.databases.engine("fingerprint").begin() as connection:
        assert connection.scalar(sa.select(sa.func.max(tables.fpindex_changelog.c.id))) == 4
        connection.execute(sa.func.pg_notify("another_channel", "").select())
    time.sleep(0.1)
    assert not watch.was_notified()


def test_a_rollback_sends_no_notification(importer: Importer, watch: ChangelogWatch) -> None:
    with importer.databases.engine("fingerprint").begin() as connection:
        connection.execute(sa.delete(tables.fingerprint))
        connection.rollback()
    time.sleep(0.1)
    assert not watch.was_notified()


def test_a_lost_connection_is_a_notification(importer: Importer, watch: ChangelogWatch) -> None:
    kill = sa.text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = :query"
    ).bindparams(query=f"LISTEN {CHANNEL}")
    with importer.databases.engine("fingerprint").connect() as connection:
        assert connection.execute(kill).all() == [(True,)]
    assert eventually(watch.was_notified, NOTICE)
    assert watch.was_notified()  # a new connection may have missed notifications
    merge(importer)
    assert eventually(watch.was_notified, NOTICE)


def test_after_a_merge_the_store_is_not_read_until_it_has_followed(
    importer: Importer, place: Path, store: TrustedStore
) -> None:
    merge(importer)
    assert eventually(lambda: not held(store), NOTICE)
    update(importer, place)
    assert held(store)
    [one, other, _] = store.find([1, 2, 3], *ALL).rows.values()
    assert (one.track_id, one.track_gid) == (other.track_id, other.track_gid)


def test_without_notifications_the_database_is_queried_at_intervals(
    importer: Importer, place: Path, store: TrustedStore, clock: Clock
) -> None:
    with importer.databases.engine("fingerprint").begin() as connection:
        connection.execute(
            sa.text("INSERT INTO fpindex_changelog (fingerprint_id, deleted) VALUES (1, false)")
        )
    clock.now = CHECK_EVERY - 0.1
    assert held(store)
    clock.now = CHECK_EVERY
    assert not held(store)
    update(importer, place)
    assert held(store)


def test_a_store_of_a_restored_database_is_not_read(
    importer: Importer, store: TrustedStore, clock: Clock
) -> None:
    move_in_time(importer.databases, "1 microsecond")
    clock.now = CHECK_EVERY
    assert not held(store)


def test_an_unreachable_database_is_not_queried_for_a_while(
    settings: Settings, importer: Importer, place: Path, clock: Clock
) -> None:
    """The store is not read during the pause, and is read after it."""
    del importer
    databases = Databases(settings)
    store = TrustedStore(open_store(place), databases, clock)
    with structlog.testing.capture_logs() as logs, refusing_connections(settings):
        for clock.now in (0.0, 1.0, RETRY_AFTER - 1):
            assert not held(store)
    assert [each["event"] for each in logs] == ["the fingerprint database is unreachable"]
    assert not held(store)
    clock.now = RETRY_AFTER
    assert held(store)
    store.close()
    databases.dispose()


def test_a_fingerprint_that_the_store_lacks_is_missing(
    importer: Importer, place: Path, store: TrustedStore, clock: Clock
) -> None:
    importer.run(importer.receipt(fingerprint(4)), index=False)
    found = store.find([1, 4], *ALL)
    assert (list(found.rows), found.missing) == ([1], [4])
    update(importer, place)
    clock.now = CHECK_EVERY
    assert list(store.find([1, 4], *ALL).rows) == [1, 4]


def test_the_condition_of_a_store(
    importer: Importer, place: Path, store: TrustedStore, clock: Clock
) -> None:
    assert store.condition() is Condition.OK
    [segment] = place.glob(f"*{SUFFIX}")
    content = segment.read_bytes()
    segment.write_bytes(content[:-1])
    assert store.condition() is Condition.DAMAGED
    segment.write_bytes(content)
    assert store.condition() is Condition.OK
    move_in_time(importer.databases, "-1 hour")
    clock.now = CHECK_EVERY
    with structlog.testing.capture_logs() as logs:
        assert store.condition() is store.condition() is Condition.FOREIGN
    assert [each["condition"] for each in logs] == ["foreign"]
    place.rename(place.with_name("elsewhere"))
    clock.now *= 2
    assert store.condition() is Condition.MISSING
    open_store_writer(place).close()
    assert store.condition() is Condition.FILLING
    shutil.rmtree(importer.index_path)
    update(importer, place)
    assert store.condition() is Condition.OK


@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE, errno.ENOMEM])
def test_a_store_that_cannot_be_read_is_not_damaged(
    store: TrustedStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fails(*_arguments: object, **_given: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("pipeline.fingerprint_store.FingerprintStore.check_files", fails)
    monkeypatch.setattr("pipeline.fingerprint_store.FingerprintStore.find", fails)
    assert store.find([1], *ALL).missing == [1]
    assert store.condition() is Condition.UNREADABLE
    assert os.strerror(number) in store.damage()


def test_the_condition_of_a_store_without_a_database(
    settings: Settings, importer: Importer, place: Path, clock: Clock
) -> None:
    del importer
    databases = Databases(settings)
    store = TrustedStore(open_store(place), databases, clock)
    with refusing_connections(settings):
        assert store.condition() is Condition.UNREACHABLE
    store.close()
    databases.dispose()
