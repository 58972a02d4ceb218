"""Leases of pending submissions, and requeued submissions."""

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.catalog.ingest import leases, submissions
from pipeline.catalog.ingest.submissions import Ending
from pipeline.runtime.databases import Databases
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint

SEEDS = range(1, 8)
PAUSES = sa.text("SELECT extract(epoch FROM retry_at - now()) FROM submission ORDER BY id")


@pytest.fixture
def ids(databases: Databases) -> list[int]:
    importer = Importer(databases, Path("unused"))
    _, ids = importer.receive([importer.receipt(fingerprint(seed)) for seed in SEEDS])
    return ids


def claimed(databases: Databases, limit: int = 10) -> list[int]:
    with databases.engine("ingest").begin() as connection:
        return [each.id for each in leases.claim(connection, limit)]


def pauses(databases: Databases) -> list[float]:
    with databases.engine("ingest").connect() as connection:
        return [float(pause) for pause in connection.execute(PAUSES).scalars()]


def test_new_submissions_have_a_lease(databases: Databases, ids: list[int]) -> None:
    assert claimed(databases) == []
    assert all(30 < pause <= 40 for pause in pauses(databases))
    assert len(ids) == len(SEEDS)


def test_concurrent_claims_get_different_submissions(databases: Databases, ids: list[int]) -> None:
    engine = databases.engine("ingest")
    with engine.begin() as connection:
        assert leases.end_all(connection) == len(ids)
    with engine.begin() as one, engine.begin() as other:
        first = leases.claim(one, 4)
        second = leases.claim(other, 10)
    assert [each.id for each in first + second] == ids
    assert {each.attempts for each in first + second} == {1}
    assert claimed(databases) == []
    assert all(30 < pause <= 40 for pause in pauses(databases))


def test_the_first_to_become_due_are_claimed_first(databases: Databases, ids: list[int]) -> None:
    with databases.engine("ingest").begin() as connection:
        leases.release(connection, ids[4:])
    with databases.engine("ingest").begin() as connection:
        leases.release(connection, ids[:4])
    assert claimed(databases, 5) == [*ids[4:], *ids[:2]]


def test_a_pause_delays_only_pending_submissions(databases: Databases, ids: list[int]) -> None:
    with databases.engine("ingest").begin() as connection:
        submissions.finish(connection, [Ending(ids[:1], "imported")], announces=False)
        leases.release(connection, ids[:3], timedelta(seconds=15))
    ends = pauses(databases)
    assert 30 < ends[0] <= 40
    assert all(10 < pause <= 15 for pause in ends[1:3])
    assert claimed(databases) == []


def test_a_renewed_lease_begins_again(databases: Databases, ids: list[int]) -> None:
    with databases.engine("ingest").begin() as connection:
        leases.end_all(connection)
    with databases.engine("ingest").begin() as connection:
        leases.renew(connection, ids[1:])
    assert claimed(databases) == ids[:1]


def test_pending_submissions_are_counted_up_to_a_limit(
    databases: Databases, ids: list[int]
) -> None:
    with databases.engine("ingest").begin() as connection:
        submissions.finish(connection, [Ending(ids[:2], "rejected", "why")], announces=False)
        assert leases.count_pending(connection, 100) == len(ids) - 2
        assert leases.count_pending(connection, 3) == 3


def test_failed_submissions_can_be_requeued(databases: Databases, ids: list[int]) -> None:
    with databases.engine("ingest").begin() as connection:
        assert (
            submissions.finish(connection, [Ending(ids[:1], "failed", "why")], announces=False) == 1
        )
        assert submissions.finish(connection, [Ending(ids[:1], "imported")], announces=False) == 0
        [listed] = submissions.failed(connection, 10)
        assert (listed["id"], listed["reason"]) == (ids[0], "why")
        assert submissions.requeue(connection, ids[1:]) == 0
        assert submissions.requeue(connection, None) == 1
    assert claimed(databases) == ids[:1]
