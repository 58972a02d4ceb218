"""Crashes of workers are counted in the receipts, and receipts are given back."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from pipeline.catalog.ingest import attempts, leases, submissions
from pipeline.catalog.ingest.submissions import Ending
from pipeline.catalog.ingest.tables import submission
from pipeline.runtime.databases import Databases
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint

PROCESS = "submission@host group 7 100"


def begins(connection: sa.Connection, submission_id: int, message: str) -> bool:
    return attempts.begin_run(connection, submission_id, message, PROCESS).earlier is None


@pytest.fixture
def ids(databases: Databases) -> list[int]:
    importer = Importer(databases, None)  # type: ignore[arg-type] # no index is used
    return importer.receive([importer.receipt(fingerprint(seed)) for seed in range(2)])[1]


def test_a_message_that_begins_twice_finds_its_earlier_process(
    databases: Databases, ids: list[int]
) -> None:
    with databases.engine("ingest").begin() as connection:
        messages = ("a:0", "a:1", "b:0", "b:0", "b:0", "c:0")
        found = [
            attempts.begin_run(connection, ids[0], message, f"process {number}")
            for number, message in enumerate(messages)
        ]
        assert all(each.is_pending for each in found)
        earlier = [each.earlier for each in found]
        assert earlier == [None, None, None, "process 2", "process 2", None]
        assert begins(connection, ids[1], "c:0")


def test_a_run_that_has_ended_may_begin_again(databases: Databases, ids: list[int]) -> None:
    with databases.engine("ingest").begin() as connection:
        assert begins(connection, ids[0], "a:0")
        attempts.end_run(connection, ids[0], "a:0", PROCESS)
        assert begins(connection, ids[0], "a:0")
        for other in ("b:0", "a:1"):
            attempts.end_run(connection, ids[0], other, PROCESS)
        attempts.end_run(connection, ids[0], "a:0", "another process")
        attempts.end_cancelled(connection, ids[0], "b")
        assert not begins(connection, ids[0], "a:0")


def test_a_cancelled_run_may_begin_again(databases: Databases, ids: list[int]) -> None:
    with databases.engine("ingest").begin() as connection:
        assert begins(connection, ids[0], "a:3")
        attempts.end_cancelled(connection, ids[0], "a")
        assert begins(connection, ids[0], "a:3")


def test_a_counted_crash_ends_the_run(databases: Databases, ids: list[int]) -> None:
    with databases.engine("ingest").begin() as connection:
        for number in range(1, 4):
            assert begins(connection, ids[0], "a:0")
            assert not begins(connection, ids[0], "a:0")
            assert attempts.count_crash(connection, ids[0]) == number


def test_a_final_state_stays(databases: Databases, ids: list[int]) -> None:
    with databases.engine("ingest").begin() as connection:
        submissions.finish(connection, [Ending(ids, "imported")], announces=False)
        assert attempts.count_crash(connection, ids[0]) == 0
        assert leases.release(connection, ids, timedelta(seconds=1)) == 0
        assert not attempts.begin_run(connection, ids[0], "a:0", PROCESS).is_pending
        connection.execute(sa.delete(submission))  # pruned
        pruned = [attempts.begin_run(connection, ids[0], "a:0", PROCESS) for _ in range(2)]
        assert pruned == [attempts.Beginning(is_pending=False)] * 2


def test_a_released_receipt_is_due_after_the_pause_without_an_attempt(
    databases: Databases, ids: list[int]
) -> None:
    pause = timedelta(seconds=15)
    with databases.engine("ingest").begin() as connection:
        connection.execute(sa.update(submission).values(attempts=submission.c.id - ids[0]))
        assert leases.release(connection, ids, pause) == 2
        due = sa.select(submission.c.retry_at - sa.func.now(), submission.c.attempts)
        assert connection.execute(due).all() == [(pause, 0), (pause, 0)]


def test_requeued_submissions_have_no_crashes(databases: Databases, ids: list[int]) -> None:
    with databases.engine("ingest").begin() as connection:
        attempts.count_crash(connection, ids[0])
        submissions.finish(
            connection, [Ending(ids, "failed", "crashed its worker three times")], announces=False
        )
        [_, listed] = submissions.failed(connection, 10)
        assert (listed["id"], listed["crashes"]) == (ids[0], 1)
        assert listed["reason"] == "crashed its worker three times"
        assert submissions.of_task(connection, listed["task_id"]) == ids
        assert submissions.requeue(connection, ids) == 2
        assert attempts.count_crash(connection, ids[0]) == 1
