"""Databases that were restored are made to agree with each other."""

from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

from cli.backup.reconcile import Reconciled, reconcile
from pipeline.catalog.fingerprint.tables import submission_import
from pipeline.catalog.ingest.tables import fingerprint_source, submission, submission_result
from pipeline.runtime.databases import Databases
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint


def set_state(databases: Databases, state: str, ids: list[int]) -> None:
    """Undo the record of imports, as in an ingest database that was read before."""
    with databases.engine("ingest").begin() as connection:
        connection.execute(
            sa.update(submission).where(submission.c.id.in_(ids)).values(state=state)
        )
        for table in (fingerprint_source, submission_result):
            connection.execute(sa.delete(table).where(table.c.submission_id.in_(ids)))


def count(databases: Databases, table: sa.Table) -> int:
    with databases.engine("ingest").connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def test_imports_that_are_not_recorded_are_recorded_once(
    databases: Databases, index_path: Path
) -> None:
    importer = Importer(databases, index_path)
    receipts = [importer.receipt(fingerprint(seed), mbid=uuid4()) for seed in range(1, 5)]
    _, ids = importer.receive(receipts)
    importer.persist(importer.match(ids))
    set_state(databases, "pending", ids[:2])
    set_state(databases, "failed", ids[2:3])
    _, waiting = importer.receive([importer.receipt(fingerprint(9))])
    assert reconcile(databases) == Reconciled(recorded=3, pending=1, skipped_ids=0)
    assert [each.state for each in importer.statuses([*ids, *waiting])] == [
        *["imported"] * 4,
        "pending",
    ]
    assert count(databases, fingerprint_source) == count(databases, submission_result) == 4
    assert reconcile(databases) == Reconciled(recorded=0, pending=1, skipped_ids=0)


def test_the_id_of_an_imported_submission_is_not_given_out_again(
    databases: Databases, index_path: Path
) -> None:
    importer = Importer(databases, index_path)
    with databases.engine("fingerprint").begin() as connection:
        connection.execute(
            sa.insert(submission_import).values(submission_id=1000, fingerprint_id=1, track_id=1)
        )
    assert reconcile(databases).skipped_ids == 1000
    _, ids = importer.receive([importer.receipt(fingerprint(1))])
    assert ids == [1001]
    assert reconcile(databases).skipped_ids == 0
