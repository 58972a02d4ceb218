"""Old receipts, statistics and addresses are deleted; counts and the imported data stay."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from pipeline.catalog.app import daily_statistics, retention
from pipeline.catalog.app.keys import key_reports
from pipeline.catalog.app.lookup_statistics import (
    LookupKind,
    Visitor,
    add_lookups,
    add_user_agents,
)
from pipeline.catalog.app.tables import account, source
from pipeline.catalog.fingerprint import tables as fp
from pipeline.catalog.ingest import state_counts, submissions
from pipeline.catalog.ingest import tables as ingest
from pipeline.catalog.ingest.contributions import contributions
from pipeline.catalog.ingest.finished_receipts import prune_receipts
from pipeline.catalog.ingest.submission_status import statuses, task_status
from pipeline.catalog.ingest.submissions import Ending
from pipeline.imports.dedupe import dedupe_submissions
from pipeline.imports.persist import persist_submissions
from pipeline.imports.score import match_submissions
from pipeline.imports.validate import validate_submissions
from pipeline.index.reader import open_reader
from pipeline.messages import SubmissionBatch, SubmissionInBatch
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tasks.periodic.retention import delete_receipts, delete_statistics, erase_addresses
from tests.support.catalogue.counted_lookups import lookups, make_applications, user_agents
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint

DAY = timedelta(days=1)
OLD = date(2026, 1, 31)


@pytest.fixture
def importer(databases: Databases, settings: Settings) -> Importer:
    return Importer(databases, settings.fingerprint_index.path)


def age(databases: Databases, ids: Sequence[int], by: timedelta) -> None:
    """Make the final states of submissions older."""
    table = ingest.submission
    with databases.engine("ingest").begin() as connection:
        connection.execute(
            sa.update(table).where(table.c.id.in_(ids)).values(handled_at=table.c.handled_at - by)
        )


def end(databases: Databases, ids: Sequence[int], state: str) -> None:
    """Set the final state of pending submissions."""
    with databases.engine("ingest").begin() as connection:
        submissions.finish(connection, [Ending(ids, state, "test")], announces=False)


def counts(databases: Databases) -> dict[str, int]:
    with databases.engine("ingest").connect() as connection:
        return state_counts.count_by_state(connection)


def receive(importer: Importer, count: int, seed: int = 0) -> tuple[UUID, list[int]]:
    receipts = [
        importer.receipt(fingerprint(seed + number), 100 + 30 * number) for number in range(count)
    ]
    return importer.receive(receipts)


def test_receipts_of_old_requests_are_deleted(importer: Importer) -> None:
    databases = importer.databases
    made = {}
    for number, state in enumerate(("imported", "rejected", "failed", "pending", "imported")):
        made[number] = receive(importer, 2, 10 * number)
        if state != "pending":
            end(databases, made[number][1], state)
    # The first three are old. The last one ended less than a day ago.
    for number in range(3):
        age(databases, made[number][1], 2 * DAY)
    age(databases, made[4][1], DAY / 2)
    before = counts(databases)
    assert delete_receipts(databases, DAY) == 6
    assert delete_receipts(databases, DAY) == 0
    for number, (task_id, ids) in made.items():
        expected = [] if number < 3 else ids
        assert sorted(statuses(databases, ids)) == expected
        assert (task_status(databases, task_id) is None) == (number < 3)
    assert counts(databases) == before == {"imported": 4, "rejected": 2, "failed": 2, "pending": 2}
    assert daily_statistics.measure(databases, "submission_all") == {"submission.all": 10}


def test_receipts_of_a_request_are_deleted_together(importer: Importer) -> None:
    databases = importer.databases
    task_id, ids = receive(importer, 3)
    end(databases, ids[:2], "imported")
    age(databases, ids[:2], 9 * DAY)
    assert delete_receipts(databases, DAY) == 0
    end(databases, ids[2:], "rejected")
    assert delete_receipts(databases, DAY) == 0
    found = task_status(databases, task_id)
    assert found is not None
    assert len(found.submissions) == 3
    age(databases, ids[2:], 2 * DAY)
    assert delete_receipts(databases, DAY) == 3


def test_receipts_are_kept_for_an_hour_at_least(importer: Importer) -> None:
    _, ids = receive(importer, 1)
    end(importer.databases, ids, "failed")
    age(importer.databases, ids, timedelta(minutes=50))
    assert delete_receipts(importer.databases, timedelta(seconds=1)) == 0
    age(importer.databases, ids, timedelta(minutes=11))
    assert delete_receipts(importer.databases, timedelta(seconds=1)) == 1


def test_a_run_continues_where_the_last_one_stopped(importer: Importer) -> None:
    databases = importer.databases
    for number in range(5):
        _, ids = receive(importer, 2, 10 * number)
        end(databases, ids, "failed")
        age(databases, ids, 2 * DAY)
    with databases.engine("ingest").begin() as connection:
        assert prune_receipts(connection, DAY, 1) == {"failed": 2}
    assert delete_receipts(databases, DAY) == 8
    assert counts(databases) == {"failed": 10}


def test_concurrent_workers_delete_and_count_each_receipt_once(importer: Importer) -> None:
    databases = importer.databases
    ids = []
    for number in range(40):
        _, some = receive(importer, 2, 10 * number)
        ids += some
    end(databases, ids, "failed")
    age(databases, ids, 2 * DAY)

    def prune(_: int) -> Counter[str]:
        total: Counter[str] = Counter()
        for _round in range(30):
            with databases.engine("ingest").begin() as connection:
                total += prune_receipts(connection, DAY, 5)
        return total

    with ThreadPoolExecutor(4) as pool:
        assert sum(map(Counter.total, pool.map(prune, range(4)))) == 80
    assert counts(databases) == {"failed": 80}


def test_a_requeued_submission_is_not_deleted(importer: Importer) -> None:
    databases = importer.databases
    _, ids = receive(importer, 1)
    end(databases, ids, "failed")
    age(databases, ids, 2 * DAY)
    with databases.engine("ingest").begin() as connection:
        submissions.requeue(connection, ids)
        assert delete_receipts(databases, DAY) == 0
    assert counts(databases) == {"pending": 1}


def test_imported_data_stays_and_nothing_is_imported_twice(importer: Importer) -> None:
    databases = importer.databases
    index = open_reader(importer.index_path)
    _, ids = receive(importer, 3)
    late = {
        "validate": ids,
        "dedupe": validate_submissions(ids, databases),
        "score": dedupe_submissions(validate_submissions(ids, databases), databases),
        "persist": importer.match(ids),
    }
    importer.persist(importer.match(ids))
    tables = (fp.track, fp.fingerprint, fp.track_mbid, fp.submission_import)
    before = [importer.rows(table) for table in tables]
    before_pruning = importer.statuses(ids)
    age(databases, ids, 2 * DAY)
    assert delete_receipts(databases, DAY) == 3
    # Messages of every stage arrive once more.
    assert validate_submissions(late["validate"], databases).submissions == []
    assert dedupe_submissions(late["dedupe"], databases).submissions == []
    assert match_submissions(late["score"], index, databases).submissions == []
    persist_submissions(late["persist"], databases)
    assert [importer.rows(table) for table in tables] == before
    assert {each.state for each in statuses(databases, ids).values()} == {"imported"}
    assert importer.statuses(ids) == before_pruning
    with databases.engine("ingest").connect() as connection:
        for table in (ingest.fingerprint_source, ingest.track_mbid_source):
            found = connection.execute(sa.select(table.c.submission_id)).scalars()
            assert sorted(found) == ids
        results = connection.execute(sa.select(ingest.submission_result)).all()
        with databases.engine("app").connect() as app:
            sources = key_reports.sources_by_holder(app, source.c.account_id, [importer.account_id])
        assert contributions(connection, sources[importer.account_id]).count == 3
    assert len(results) == 3


def test_a_late_message_of_a_failed_and_pruned_submission_does_no_harm(
    importer: Importer,
) -> None:
    """The other submissions of its batch are imported."""
    databases = importer.databases
    _, [gone] = receive(importer, 1)
    _, [other] = receive(importer, 1, 50)
    end(databases, [gone], "failed")
    age(databases, [gone], 2 * DAY)
    assert delete_receipts(databases, DAY) == 1
    batch = SubmissionBatch([SubmissionInBatch(each, str(uuid4())) for each in (gone, other)])
    batch = dedupe_submissions(batch, databases)
    importer.persist(match_submissions(batch, open_reader(importer.index_path), databases))
    assert counts(databases) == {"failed": 1, "imported": 1}
    alone = SubmissionBatch([SubmissionInBatch(gone, str(uuid4()))])
    assert match_submissions(alone, open_reader(importer.index_path), databases).submissions == []


def test_old_statistics_are_deleted(databases: Databases) -> None:
    [app] = make_applications(databases, 1)
    days = [OLD + timedelta(number) for number in range(4)]
    with databases.engine("app").begin() as connection:
        add_lookups(connection, {LookupKind(app, day, 1, hit=True): 1 for day in days})
        add_user_agents(connection, {Visitor(app, day, "agent", "::1"): 1 for day in days})
    with databases.engine("app").begin() as connection:
        assert retention.prune_statistics(connection, days[2], 1) == 2
    assert delete_statistics(databases, days[2]) == 2
    assert {day for day, *_ in lookups(databases)} == {str(days[2]), str(days[3])}
    assert {day for day, *_ in user_agents(databases)} == {str(days[2]), str(days[3])}
    assert delete_statistics(databases, days[2]) == 0


def test_addresses_are_erased_and_counts_stay(databases: Databases) -> None:
    [app, other] = make_applications(databases, 2)
    new = OLD + timedelta(1)
    visits = {
        Visitor(app, OLD, "agent", "192.0.2.1"): 2,
        Visitor(app, OLD, "agent", "192.0.2.2"): 3,
        Visitor(app, OLD, "other", "192.0.2.2"): 5,
        Visitor(other, OLD, "agent", "192.0.2.2"): 7,
        Visitor(app, new, "agent", "192.0.2.1"): 11,
    }
    with databases.engine("app").begin() as connection:
        add_user_agents(connection, visits)
        assert retention.erase_addresses_of_visitors(connection, new, 1) == 1
    expected = {
        (str(OLD), app, "agent", ""): 5,
        (str(OLD), app, "other", ""): 5,
        (str(OLD), other, "agent", ""): 7,
        (str(new), app, "agent", "192.0.2.1"): 11,
    }
    assert erase_addresses(databases, DAY, new) == 3
    assert user_agents(databases) == expected
    # Counts that arrive late are erased by a later run.
    with databases.engine("app").begin() as connection:
        add_user_agents(connection, {Visitor(app, OLD, "agent", "192.0.2.9"): 1})
    assert erase_addresses(databases, DAY, new) == 1
    assert user_agents(databases) == {**expected, (str(OLD), app, "agent", ""): 6}
    assert erase_addresses(databases, DAY, new) == 0


def test_addresses_of_old_accounts_are_erased(databases: Databases) -> None:
    now = datetime.now(UTC)
    rows = [
        {"name": name, "apikey": name, "created_from": "192.0.2.1", "created": created}
        for name, created in (("old", now - 3 * DAY), ("older", now - 9 * DAY), ("new", now))
    ]
    with databases.engine("app").begin() as connection:
        connection.execute(sa.insert(account), rows)
    assert erase_addresses(databases, 2 * DAY, OLD) == 2
    assert erase_addresses(databases, 2 * DAY, OLD) == 0
    with databases.engine("app").connect() as connection:
        left = sa.select(account.c.name).where(account.c.created_from.is_not(None))
        assert connection.execute(left).scalars().all() == ["new"]
