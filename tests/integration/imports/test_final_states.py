"""A submission with a final state is imported no more."""

import threading

import pytest
import sqlalchemy as sa

from pipeline.catalog.advisory_locks import lock_catalogue
from pipeline.catalog.ingest import submissions
from pipeline.catalog.ingest.submissions import Ending
from pipeline.catalog.ingest.tables import submission
from pipeline.imports.dedupe import dedupe_submissions
from pipeline.imports.fail import fail_unless_imported
from pipeline.messages import SubmissionBatch, SubmissionInBatch
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint
from tests.support.polling import eventually


@pytest.fixture
def importer(settings: Settings, databases: Databases) -> Importer:
    return Importer(databases, settings.fingerprint_index.path)


def fail(databases: Databases, ids: list[int]) -> None:
    with databases.engine("ingest").begin() as connection:
        submissions.finish(connection, [Ending(ids, "failed", "a reason")], announces=False)


def test_dedupe_leaves_out_what_has_a_final_state(importer: Importer, databases: Databases) -> None:
    _, ids = importer.receive([importer.receipt(fingerprint(seed)) for seed in (1, 2)])
    fail(databases, ids[:1])
    batch = SubmissionBatch([SubmissionInBatch(each) for each in ids])
    assert [each.id for each in dedupe_submissions(batch, databases).submissions] == ids[1:]


def test_persist_imports_nothing_that_ends_while_it_waits_for_the_lock(
    importer: Importer, databases: Databases
) -> None:
    importer.update_index()
    _, ids = importer.receive([importer.receipt(fingerprint(seed)) for seed in (1, 2)])
    batch = importer.match(ids)
    thread = threading.Thread(target=importer.persist, args=(batch,))
    with databases.engine("fingerprint").begin() as connection:
        lock_catalogue(connection)
        thread.start()
        eventually(lambda: _waits_for_the_lock(databases))
        fail(databases, ids[:1])
    thread.join(10)
    assert [each.state for each in importer.statuses(ids)] == ["failed", "imported"]
    assert importer.tracks() == 1


def _waits_for_the_lock(databases: Databases) -> bool:
    waiting = sa.text("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with databases.engine("fingerprint").connect() as connection:
        return connection.execute(waiting).first() is not None


def test_an_imported_submission_does_not_fail(importer: Importer, databases: Databases) -> None:
    """Its worker has crashed between the commits of the two databases."""
    importer.update_index()
    _, ids = importer.receive([importer.receipt(fingerprint(seed)) for seed in (1, 2)])
    importer.persist(importer.match(ids[:1]))
    with databases.engine("ingest").begin() as connection:
        connection.execute(sa.update(submission).values(state="pending", handled_at=None))
    assert fail_unless_imported(databases, ids, "a reason") == 1
    assert [each.state for each in importer.statuses(ids)] == ["imported", "failed"]
