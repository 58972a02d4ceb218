"""Writes the receipts of many lines in one transaction, and imports them in this process.

A worker may import the same submissions: those whose lease has ended are sent to it. Each is
imported once (`pipeline.imports.persist`).

The changelog is applied after each batch, since an import compares a batch with all fingerprints
that are not in the index yet. Meanwhile the worker of the queue index finds the copies locked, and
leaves them to this process (`tasks.index`).
"""

import uuid
from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from pipeline.bulk_import.submissions import progress
from pipeline.bulk_import.submissions.progress import FileProgress, Submitter
from pipeline.catalog.ingest import leases
from pipeline.catalog.ingest.submissions import insert_receipts
from pipeline.catalog.ingest.tables import submission
from pipeline.following.all_copies import OpenCopies
from pipeline.following.followers import raise_failure
from pipeline.following.update_index import update_index
from pipeline.imports.all_stages import import_submissions
from pipeline.index.interface import FingerprintIndex
from pipeline.runtime.databases import Databases
from pipeline.submission_fields import Receipt

BATCH: Final = 200
"""Submissions that the stages handle together, as in the chains of the workers."""


class ReceiptWriter:
    """Writes and imports the receipts of one submitter.

    Args:
        databases: ``ingest``, ``app`` and ``fingerprint`` are changed.
        index: the index that is searched for matches.
        copies: the index and its followers, open for writing.
        submitter: the application and the account of the receipts.
    """

    def __init__(
        self,
        databases: Databases,
        index: FingerprintIndex,
        copies: OpenCopies,
        submitter: Submitter,
    ) -> None:
        self._databases = databases
        self._index = index
        self._copies = copies
        self._submitter = submitter

    def write(self, receipts: Sequence[Receipt], files: Sequence[FileProgress]) -> int:
        """Receive and import submissions; return the number of imported ones.

        After an error, the receipts are in the database if they were committed. The next run, or a
        worker, imports them.

        Args:
            receipts: the receipts of lines.
            files: the progress in the files of these lines, at most one for each file.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: a database is unreachable.
            Exception: see `import_submissions` and `update_copies`.
        """
        with self._databases.engine("ingest").begin() as connection:
            ids = insert_receipts(connection, receipts, uuid.uuid4())
            progress.save(connection, self._submitter, files)
        return self._import(ids)

    def import_rest(self) -> int:
        """Import what earlier runs have received only; return the number of imported ones.

        Raises:
            Exception: see `write`.
        """
        statement = sa.select(submission.c.id).where(
            submission.c.state == sa.literal_column("'pending'"),
            submission.c.application_id == self._submitter.application_id,
            submission.c.account_id == self._submitter.account_id,
        )
        with self._databases.engine("ingest").connect() as connection:
            ids = list(connection.execute(statement.order_by(submission.c.id)).scalars())
        return self._import(ids)

    def update_copies(self) -> None:
        """Apply the changelog to the index, the store and the sketch index.

        Raises:
            ForeignIndexError: a copy belongs to another database.
            OSError, FingerprintStoreError, FingerprintIndexError: a copy can't be written.
        """
        update_index(
            self._copies.index,
            self._databases,
            followers=self._copies.followers,
            failed=raise_failure,
        )

    def _import(self, ids: Sequence[int]) -> int:
        imported = 0
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            if start:
                with self._databases.engine("ingest").begin() as connection:
                    leases.renew(connection, ids[start:])
            imported += len(import_submissions(batch, self._index, self._databases))
            self.update_copies()
        return imported
