"""Makes restored databases agree with each other.

The snapshots of a backup are taken while no import, merge or edit can commit, in the order ingest,
fingerprint, app (`cli.backup.snapshots`). What one database says about another after a restore:

* A receipt (ingest) names an account and an application (app), a provenance row a source (app), a
  fingerprint a format (app), an edit (fingerprint) and a change of an MBID link (ingest) an account
  (app). Each is committed before the row that names it, and the app database is read last.
* A provenance row, a result or a change of a link (ingest) names a fingerprint, a track or a link
  (fingerprint). An import commits the fingerprint database first, and a merge the ingest database
  while it has changed the other one. Neither can commit in between, so the state is one that a
  crash could have left. The service repairs it: a merge that runs again makes the same changes.
* A receipt (ingest) may be without a final state although its submission was imported
  (fingerprint). `record_imported` marks it, as an import does after a crash: it finds the row of
  ``submission_import``, and no second fingerprint is written.
* A submission may have been imported (fingerprint) whose id the ingest database does not know, if
  databases were restored to different times. `advance_submission_ids` lets no other submission get
  this id: it would be taken for imported.
* Announcements (outbox) and records of messages from NATS are in one database with the receipts.
  What was announced after the backup is announced again, with the same content. A message that was
  received after the backup was acknowledged, so NATS does not send it again.
* Index, fingerprint store and sketch index are rebuilt.

All functions may be repeated: a second call changes nothing.
"""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import REGCLASS

from pipeline.catalog.fingerprint import imported_submissions
from pipeline.catalog.fingerprint.tables import submission_import
from pipeline.catalog.ingest import import_results, submissions
from pipeline.catalog.ingest.tables import submission
from pipeline.runtime.databases import Databases

CHUNK: Final = 5000
"""Number of receipts that are recorded at once."""

_UNFINISHED: Final = ("pending", "failed")
"""The states of a receipt whose submission may have been imported later."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was changed.

    Attributes:
        recorded: number of receipts that were marked as imported.
        pending: number of receipts that the workers will import.
        skipped_ids: number of submission ids that are not given out again.
    """

    recorded: int
    pending: int
    skipped_ids: int


def reconcile(databases: Databases) -> Reconciled:
    """Make restored databases agree with each other.

    Args:
        databases: the migrated databases, which no service uses.

    Raises:
        sqlalchemy.exc.DBAPIError: a database is unreachable. Run it again.
    """
    recorded = record_imported(databases)
    skipped = advance_submission_ids(databases)
    with databases.engine("ingest").connect() as connection:
        pending = sa.select(sa.func.count()).where(submission.c.state == "pending")
        return Reconciled(recorded, connection.execute(pending).scalar_one(), skipped)


def record_imported(databases: Databases) -> int:
    """Mark the receipts whose submissions were imported; return their number.

    A submission that had failed when the ingest database was read may have been requeued and
    imported before the fingerprint database was read.
    """
    recorded, last = 0, 0
    while True:
        with databases.engine("ingest").connect() as connection:
            unfinished = (
                sa.select(submission.c.id)
                .where(submission.c.id > last, submission.c.state.in_(_UNFINISHED))
                .order_by(submission.c.id)
                .limit(CHUNK)
            )
            ids = connection.execute(unfinished).scalars().all()
        if not ids:
            return recorded
        last = ids[-1]
        with databases.engine("fingerprint").connect() as connection:
            found = imported_submissions.find(connection, ids)
        if found:
            with databases.engine("ingest").begin() as connection:
                submissions.requeue(connection, [each.submission_id for each in found])
            recorded += import_results.record(databases, found)


def advance_submission_ids(databases: Databases) -> int:
    """Let the next submission get an id above those of all imported ones.

    Returns:
        The number of ids that are skipped.
    """
    with databases.engine("fingerprint").connect() as connection:
        highest = connection.scalar(sa.select(sa.func.max(submission_import.c.submission_id))) or 0
    with databases.engine("ingest").begin() as connection:
        name = sa.func.pg_get_serial_sequence(submission.name, "id")
        sequence = sa.cast(name, REGCLASS)
        given_out = connection.scalar(sa.select(sa.func.pg_sequence_last_value(sequence))) or 0
        if highest <= given_out:
            return 0
        connection.execute(sa.select(sa.func.setval(sequence, highest)))
        return highest - given_out
