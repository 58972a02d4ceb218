"""Makes restored databases agree with each other.

The databases of a backup are read one after another: ingest, fingerprint, app. What one says about
another, and why it is right after a restore:

| fact | kept by |
|---|---|
| a receipt names an account, an application (app) | they are committed before the receipt, and app is read later |
| a source (app) of a provenance row (ingest) | the same |
| a format (app) of a fingerprint (fingerprint) | it is committed before the fingerprint, and app is read later |
| the account (app) of an edit (fingerprint), of a change of an MBID link (ingest) | the same |
| a receipt (ingest) without a final state that was imported (fingerprint) | `record_imported`: as an import does after a crash, it finds the row of `submission_import` and writes no second fingerprint |
| a submission id (ingest) that was imported (fingerprint) and whose receipt arrived after the ingest database was read | `advance_submission_ids`: no other submission gets the id, so none is taken for imported |
| a provenance row, a result, a change of a link (ingest) names a fingerprint, a track or a link (fingerprint) | the snapshots are taken while no import, merge or edit can commit, see `cli.backup.snapshots` |
| outbox rows (ingest), which are announced by NATS | they are in one database with the receipts; those that were announced after the backup are announced again, with the same content |
| messages of NATS that were received (ingest) | they are in one database with the receipts; a message that was received after the backup and acknowledged is not sent again |
| positions of index, store and sketch index | they are rebuilt |

Both functions may be repeated: a second call changes nothing.
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
