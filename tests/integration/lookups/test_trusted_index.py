"""An index is searched while it is complete and belongs to the database."""

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import pytest
import sqlalchemy as sa
import structlog.testing

from cli.stack.servers.ports import free_port
from pipeline.catalog.fingerprint.changelog import ForeignIndexError
from pipeline.fingerprint.query import extract_query
from pipeline.following import copies
from pipeline.following.update_index import rebuild_index, update_index
from pipeline.imports.all_stages import import_submissions
from pipeline.index import open_reader, open_writer
from pipeline.index.interface import StatefulIndex
from pipeline.index.reader import CHECK_FILES_EVERY
from pipeline.lookups.condition import Condition
from pipeline.lookups.index_verdict import CHECK_EVERY, RETRY_AFTER
from pipeline.lookups.trusted_index import IndexUnusable, TrustedIndex
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.integration.lookups.test_trusted_store import refusing_connections
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.index_conditions import (
    ALL,
    CHANGELOG,
    NONE,
    found,
    move_in_time,
    restore_to,
    trusted,
)
from tests.support.catalogue.synthetic import fingerprint
from tests.support.clock import Clock


@contextmanager
def counted_statements(databases: Databases) -> Iterator[list[str]]:
    """Collect the statements that are sent to the fingerprint database."""
    statements: list[str] = []
    engine = databases.engine("fingerprint")

    def count(_c: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    sa.event.listen(engine, "before_cursor_execute", count)
    yield statements
    sa.event.remove(engine, "before_cursor_execute", count)


@pytest.mark.usefixtures("databases")
def test_without_fingerprints_a_missing_index_answers(index: TrustedIndex) -> None:
    assert found(index) == NONE


def test_a_new_catalogue_is_answered_before_its_first_index_update(
    importer: Importer, index: TrustedIndex
) -> None:
    move_in_time(importer.databases, "1 hour")
    assert found(index) == NONE
    open_writer(importer.index_path).close()
    assert found(index) == NONE
    importer.update_index()
    assert found(index) == ALL


def test_an_index_that_a_new_catalogue_loses_is_missing(
    importer: Importer, index: TrustedIndex, index_path: Path
) -> None:
    move_in_time(importer.databases, "1 hour")
    importer.update_index()
    assert found(index) == ALL
    shutil.rmtree(index_path)
    assert found(index) is Condition.MISSING
    restore_to(importer, 0)
    assert found(TrustedIndex(lambda: open_reader(index_path), importer.databases)) == NONE


def test_a_missing_index_is_refused_until_it_is_complete(
    importer: Importer, index: TrustedIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "BATCH", 3)
    assert found(index) is Condition.MISSING
    with open_writer(importer.index_path) as writer:
        assert found(index) is Condition.FILLING
        for position in (3, 6):
            assert update_index(writer, importer.databases, until=0.0) == position
            assert found(index) is Condition.FILLING
        importer.run(importer.receipt(fingerprint(20)), index=False)
        update_index(writer, importer.databases, until=0.0)
    assert found(index) == ALL


def test_a_filling_that_was_interrupted_is_refused_until_it_is_complete(
    importer: Importer, index: TrustedIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a new installation, whose empty index would be answered from."""
    monkeypatch.setattr(copies, "BATCH", 3)
    move_in_time(importer.databases, "1 hour")
    with open_writer(importer.index_path) as writer:
        update_index(writer, importer.databases, until=0.0)
    assert found(index) is Condition.FILLING
    importer.update_index()
    assert found(index) == ALL


def test_a_directory_that_was_moved_away_is_refused(
    importer: Importer, index: TrustedIndex, index_path: Path
) -> None:
    importer.update_index()
    assert found(index) == ALL
    index_path.rename(index_path.with_name("elsewhere"))
    assert found(index) is Condition.MISSING
    importer.update_index()
    assert found(index) == ALL


def test_an_index_of_another_database_is_refused_by_reader_and_writer(
    importer: Importer, index: TrustedIndex, clock: Clock
) -> None:
    importer.update_index()
    assert found(index) == ALL
    move_in_time(importer.databases, "1 microsecond")
    clock.now = CHECK_EVERY
    assert found(index) is Condition.FOREIGN
    with pytest.raises(ForeignIndexError, match="acoustid index rebuild"):
        importer.update_index()
    with open_writer(importer.index_path) as writer:
        rebuild_index(writer, importer.databases, lambda _: None)
    assert found(index) == ALL


def test_after_a_restore_the_index_is_refused_also_when_the_changelog_is_longer_again(
    importer: Importer, index: TrustedIndex, clock: Clock
) -> None:
    importer.update_index()
    restore_to(importer, 4)
    assert found(index) is Condition.FOREIGN
    with pytest.raises(IndexUnusable):
        index.position()
    with importer.databases.engine("fingerprint").begin() as connection:
        for number in range(5):
            connection.execute(
                sa.insert(CHANGELOG).values(fingerprint_id=1 + number % 4, deleted=False)
            )
    clock.now = CHECK_EVERY
    assert found(index) is Condition.FOREIGN
    with pytest.raises(ForeignIndexError):
        importer.update_index()


def test_a_damaged_index_is_refused_until_it_is_rebuilt(
    importer: Importer, databases: Databases, index: TrustedIndex, index_path: Path
) -> None:
    importer.update_index()
    for name, damage in product(("manifest", "*.segment"), (None, 20)):
        assert found(index) == ALL
        [file] = index_path.glob(name)
        if damage is None:
            file.unlink()
        else:
            os.truncate(file, damage)
        time.sleep(CHECK_FILES_EVERY)  # the lengths were checked by the search before
        assert found(index) is Condition.DAMAGED
        reopened = TrustedIndex(lambda: open_reader(index_path), databases)
        assert found(reopened) is Condition.DAMAGED
        with open_writer(index_path, clear_damaged=True) as writer:
            rebuild_index(writer, databases, lambda _: None)
    assert found(index) == ALL


@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE, errno.ENOMEM])
def test_an_index_that_cannot_be_read_is_not_damaged(databases: Databases, number: int) -> None:
    def opened() -> StatefulIndex:
        raise OSError(number, os.strerror(number))

    index = TrustedIndex(opened, databases)
    assert found(index) is Condition.UNREADABLE
    assert os.strerror(number) in index.damage()


def test_an_unchanged_index_is_compared_at_intervals(
    importer: Importer, index: TrustedIndex, clock: Clock
) -> None:
    importer.update_index()
    assert found(index) == ALL
    query = [extract_query(fingerprint(1))]
    with counted_statements(importer.databases) as statements:
        for clock.now in (1.0, 2.0, CHECK_EVERY - 0.1):
            index.search(query)
        assert statements == []
        clock.now = CHECK_EVERY
        index.search(query)
        assert statements


def test_a_verified_index_is_used_while_the_database_is_unreachable(
    settings: Settings, importer: Importer, index_path: Path, clock: Clock
) -> None:
    importer.update_index()
    databases = Databases(settings)
    index, other = (trusted(databases, index_path, clock) for _ in range(2))
    assert found(index) == ALL
    databases.dispose()
    clock.now = CHECK_EVERY
    with structlog.testing.capture_logs() as logs, refusing_connections(settings):
        hits = index.search([extract_query(fingerprint(3))])
        assert hits[0].ids.tolist() == [3]
        assert found(other) is Condition.UNREACHABLE
        assert index.condition() is index.condition() is Condition.OK
    events = [each["event"] for each in logs]
    assert events.count("the index is not compared with the database") == 2  # once for each
    clock.now += RETRY_AFTER
    assert found(index) == found(other) == ALL
    databases.dispose()


def test_the_read_only_database_confirms_an_index_while_the_other_one_is_away(
    settings: Settings, importer: Importer, index_path: Path, clock: Clock
) -> None:
    importer.update_index()
    away = settings.database_fingerprint.model_copy(update={"port": free_port()})
    databases = Databases(settings.model_copy(update={"database_fingerprint": away}))
    assert found(trusted(databases, index_path, clock)) == ALL
    move_in_time(importer.databases, "1 microsecond")
    assert found(trusted(databases, index_path, clock)) is Condition.UNREACHABLE
    databases.dispose()


def test_a_change_of_the_condition_is_logged_once(
    importer: Importer, index: TrustedIndex, index_path: Path
) -> None:
    importer.update_index()
    elsewhere = index_path.with_name("elsewhere")
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            assert found(index) == ALL
        index_path.rename(elsewhere)
        for _ in range(3):
            assert found(index) is Condition.MISSING
        elsewhere.rename(index_path)
        for _ in range(3):
            assert found(index) == ALL
    assert [(each["log_level"], each.get("condition")) for each in logs] == [
        ("warning", "missing"),
        ("info", None),
    ]


def test_imports_wait_for_the_index(importer: Importer, index: TrustedIndex) -> None:
    """Without the index, the submission would create a second track."""
    _, ids = importer.receive([importer.receipt(fingerprint(1))])
    with pytest.raises(IndexUnusable):
        import_submissions(ids, index, importer.databases)
    assert [each.state for each in importer.statuses(ids)] == ["pending"]
    importer.update_index()
    tracks = importer.tracks()
    assert import_submissions(ids, index, importer.databases)
    assert importer.tracks() == tracks
    _, later = importer.receive([importer.receipt(fingerprint(2))])
    shutil.rmtree(importer.index_path)
    with pytest.raises(IndexUnusable):
        import_submissions(later, index, importer.databases)
