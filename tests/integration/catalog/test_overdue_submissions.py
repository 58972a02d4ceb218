"""Overdue and failed submissions."""

from pathlib import Path

import sqlalchemy as sa

from pipeline.catalog.ingest import submissions
from pipeline.runtime.databases import Databases
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint

SEEDS = range(1, 8)


def test_overdue_receipts_are_claimed_with_growing_pauses(databases: Databases) -> None:
    importer = Importer(databases, Path("unused"))
    _, ids = importer.receive([importer.receipt(fingerprint(seed)) for seed in SEEDS])
    engine = databases.engine("ingest")
    with engine.begin() as connection:
        assert submissions.claim_unfinished(connection, 10) == []
        connection.execute(sa.text("UPDATE submission SET retry_at = now()"))
    with engine.begin() as one, engine.begin() as other:
        first = submissions.claim_unfinished(one, 4)
        second = submissions.claim_unfinished(other, 10)
    assert sorted(each.id for each in first + second) == ids
    assert {each.attempts for each in first + second} == {1}
    pause = sa.text("SELECT extract(epoch FROM min(retry_at) - now()) FROM submission")
    with engine.begin() as connection:
        assert submissions.claim_unfinished(connection, 10) == []
        assert 50 < float(connection.execute(pause).scalar_one()) <= 60


def test_failed_submissions_can_be_requeued(databases: Databases) -> None:
    importer = Importer(databases, Path("unused"))
    _, ids = importer.receive([importer.receipt(fingerprint(1)), importer.receipt(fingerprint(2))])
    with databases.engine("ingest").begin() as connection:
        assert submissions.finish(connection, ids[:1], "failed", "why") == 1
        assert submissions.finish(connection, ids[:1], "imported", None) == 0
        [listed] = submissions.failed(connection, 10)
        assert (listed["id"], listed["reason"]) == (ids[0], "why")
        assert submissions.requeue(connection, ids[1:]) == 0
        assert submissions.requeue(connection, None) == 1
        assert [each.id for each in submissions.claim_unfinished(connection, 10)] == ids[:1]
