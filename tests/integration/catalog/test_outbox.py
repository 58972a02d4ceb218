"""The outbox has one row for each final state that is committed, in the order of the commits."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from pipeline.catalog.fingerprint import tables as fp
from pipeline.catalog.fingerprint.track_merge import merge_tracks
from pipeline.catalog.ingest import import_results, nats_messages, outbox, submissions
from pipeline.catalog.ingest.nats_messages import NewMessage
from pipeline.catalog.ingest.outbox import OutboxRow
from pipeline.catalog.ingest.submissions import Ending
from pipeline.imports.dedupe import dedupe_submissions
from pipeline.imports.fail import fail_unless_imported
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import NatsSettings, Settings
from tasks.periodic.retention import delete_announcements
from tests.support.catalogue.imports import MBID, Importer
from tests.support.catalogue.synthetic import fingerprint
from tests.support.polling import eventually

SILENCE = fingerprint(1)[:1].repeat(200)


@pytest.fixture
def announcing(settings: Settings) -> Iterator[Databases]:
    """The databases with announcements; outbox and submissions are empty."""
    nats = NatsSettings(servers=("nats://127.0.0.1",), publish_subject="events")
    made = Databases(settings.model_copy(update={"nats": nats}), component="tests")
    with made.engine("ingest").begin() as connection:
        connection.execute(sa.text("TRUNCATE outbox, submission, nats_message RESTART IDENTITY"))
    yield made
    made.dispose()


@pytest.fixture
def importer(
    databases: Databases,  # noqa: ARG001 - empties the catalogue
    announcing: Databases,
    settings: Settings,
) -> Importer:
    """An importer with announcements, and an empty catalogue."""
    return Importer(announcing, settings.fingerprint_index.path)


@pytest.fixture
def ids(announcing: Databases) -> list[int]:
    """Four pending submissions."""
    importer = Importer(announcing, Path("unused"))
    return importer.receive([importer.receipt(fingerprint(seed)) for seed in range(4)])[1]


def rows(databases: Databases) -> list[OutboxRow]:
    with databases.engine("ingest").connect() as connection:
        return outbox.read(connection, 0, 100)


def finish(connection: sa.Connection, *ids: int, state: str = "imported") -> int:
    return submissions.finish(connection, [Ending(ids, state)], announces=True)


def test_each_way_to_a_final_state_writes_one_row(importer: Importer) -> None:
    databases = importer.databases
    importer.update_index()
    task, ids = importer.receive(
        [
            importer.receipt(fingerprint(1)),
            importer.receipt(fingerprint(2), mbid=None),
            importer.receipt(SILENCE, mbid=UUID(int=0), meta={"track": "A"}),
            importer.receipt(fingerprint(3)),
        ]
    )
    assert fail_unless_imported(databases, ids[3:], "a fault") == 1
    importer.persist(importer.match(ids))
    found = [each.final for each in rows(databases)]
    assert [(each.submission_id, each.state) for each in found] == [
        (ids[3], "failed"),
        (ids[1], "rejected"),
        (ids[2], "rejected"),
        (ids[0], "imported"),
    ]
    states = {each.id: each for each in importer.statuses(ids)}
    assert [each.reason for each in found] == [states[each.submission_id].reason for each in found]
    assert [each.mbid for each in found] == [MBID, None, None, MBID]
    [gid] = [row.gid for row in importer.rows(fp.track)]
    assert [each.track_gid for each in found] == [None, None, None, gid]
    assert {each.task_id for each in found} == {task}
    importer.persist(importer.match(ids))  # repeated messages decide nothing
    assert fail_unless_imported(databases, ids, "again") == 0
    assert len(rows(databases)) == 4


def test_an_import_that_is_recorded_late_writes_one_row(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker ended between the commits of the two databases."""
    databases = importer.databases
    importer.update_index()
    _, ids = importer.receive([importer.receipt(fingerprint(seed)) for seed in (1, 2, 3, 4)])
    batch = importer.match(ids)
    with monkeypatch.context() as patched:
        patched.setattr(import_results, "record", lambda *_: 0)
        importer.persist(batch)
    assert rows(databases) == []
    first, second, *_ = (row.gid for row in importer.rows(fp.track))
    assert fail_unless_imported(databases, ids[3:], "a fault") == 0
    merge_tracks(databases, first, [second])
    dedupe_submissions(batch, databases)
    found = rows(databases)
    assert [each.final.submission_id for each in found] == [ids[3], *ids[:2], ids[2]]
    assert [each.final.track_gid for each in found[1:3]] == [first, second]
    assert {each.final.state for each in found} == {"imported"}


def test_a_transaction_that_is_not_committed_leaves_no_row(
    announcing: Databases, ids: list[int]
) -> None:
    engine = announcing.engine("ingest")
    with pytest.raises(sa.exc.DBAPIError):
        _finish_and_lose_the_connection(engine, ids)
    assert rows(announcing) == []
    with engine.begin() as connection:
        assert finish(connection, *ids[:3]) == 3
    with engine.begin() as connection:
        assert finish(connection, *ids, state="failed") == 1
    assert [each.final.state for each in rows(announcing)] == ["imported"] * 3 + ["failed"]
    with engine.begin() as connection:
        assert submissions.requeue(connection, None) == 1
    with engine.begin() as connection:
        assert finish(connection, *ids) == 1
    decided = [each.final.submission_id for each in rows(announcing)]
    assert decided == [*ids, ids[3]]  # two decisions


def test_the_ids_are_in_the_order_of_the_commits(announcing: Databases, ids: list[int]) -> None:
    engine = announcing.engine("ingest")
    with engine.begin() as first:
        first.execute(sa.text("SELECT now()"))
        with engine.begin() as second:
            finish(second, ids[1])
        finish(first, ids[0])
    assert [each.final.submission_id for each in rows(announcing)] == [ids[1], ids[0]]

    later = threading.Thread(target=_finish, args=(announcing, ids[3]))
    with engine.begin() as connection:
        finish(connection, ids[2])
        later.start()
        eventually(lambda: _waits(announcing), 10)
        assert len(rows(announcing)) == 2  # a reader gets no later row before an earlier one
    later.join(10)
    assert [each.final.submission_id for each in rows(announcing)[2:]] == ids[2:]


def test_a_transaction_that_waits_for_a_submission_does_not_lock_the_outbox(
    announcing: Databases, ids: list[int]
) -> None:
    engine = announcing.engine("ingest")
    endings = [Ending(ids[:1], "rejected", "one"), Ending(ids[1:2], "rejected", "other")]
    waiting = threading.Thread(target=_finish_all, args=(announcing, endings))
    with engine.begin() as connection:
        submissions.states(connection, ids[1:2])  # locks the row
        waiting.start()
        eventually(lambda: _waits(announcing), 10)
        finish(connection, ids[2])
    waiting.join(10)
    assert [each.final.submission_id for each in rows(announcing)] == [ids[2], *ids[:2]]


def test_a_row_has_the_ids_of_the_message_from_nats(announcing: Databases) -> None:
    importer = Importer(announcing, Path("unused"))
    receipts = [importer.receipt(fingerprint(1))]
    messages = [
        NewMessage(b"1", "stream", 7, "an id", uuid4(), receipts * 2),
        NewMessage(b"2", "stream", 8, None, uuid4(), receipts),
    ]
    with announcing.engine("ingest").begin() as connection:
        stored = nats_messages.insert(connection, messages)
    with announcing.engine("ingest").begin() as connection:
        finish(connection, *(each for message in stored for each in message.submission_ids))
    finals = [each.final for each in rows(announcing)]
    found = [(each.message_id, each.message_sequence) for each in finals]
    assert found == [("an id", 7), ("an id", 7), (None, 8)]


def test_without_announcements_an_import_executes_the_same_statements(
    databases: Databases, settings: Settings
) -> None:
    importer = Importer(databases, settings.fingerprint_index.path)
    importer.update_index()
    executed: list[str] = []
    sa.event.listen(
        databases.engine("ingest"),
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: executed.append(statement),
    )
    importer.run(importer.receipt(fingerprint(1)), importer.receipt(fingerprint(2), mbid=None))
    endings = [each for each in executed if each.startswith("UPDATE submission")]
    assert len(endings) == 2
    assert not any("RETURNING" in each for each in endings)
    assert not any("outbox" in each or "nats_message" in each for each in executed)
    assert rows(databases) == []


def test_number_and_age_of_waiting_rows(announcing: Databases, ids: list[int]) -> None:
    engine = announcing.engine("ingest")
    with engine.connect() as connection:
        assert outbox.measure(connection) == outbox.OutboxBacklog(0, None)
    with engine.begin() as connection:
        finish(connection, *ids)
        connection.execute(sa.text("UPDATE outbox SET created = now() - interval '8 d' WHERE id<3"))
    with engine.begin() as connection:
        assert outbox.measure(connection, limit=3).rows == 3
        found = outbox.measure(connection)
        assert found.rows == 4
        assert found.oldest_seconds == pytest.approx(8 * 86_400, abs=60)
        assert outbox.delete_older(connection, timedelta(days=7), 1) == 1
    assert delete_announcements(announcing, timedelta(days=7)) == 1
    assert delete_announcements(announcing, timedelta(days=7)) == 0


def _finish_and_lose_the_connection(engine: sa.Engine, ids: list[int]) -> None:
    with engine.begin() as killed:
        assert finish(killed, *ids) == len(ids)
        own = killed.scalar(sa.text("SELECT pg_backend_pid()"))
        with engine.begin() as other:
            other.execute(sa.text(f"SELECT pg_terminate_backend({own})"))


def _finish(databases: Databases, submission_id: int) -> None:
    with databases.engine("ingest").begin() as connection:
        finish(connection, submission_id)


def _finish_all(databases: Databases, endings: list[Ending]) -> None:
    with databases.engine("ingest").begin() as connection:
        submissions.finish(connection, endings, announces=True)


def _waits(databases: Databases) -> bool:
    waiting = sa.text("SELECT 1 FROM pg_locks WHERE NOT granted")
    with databases.engine("ingest").connect() as connection:
        return connection.execute(waiting).first() is not None
