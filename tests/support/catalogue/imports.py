"""Runs the stages of an import in order, like the chain of tasks but without Celery."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from pipeline.catalog.app import tables as app_tables
from pipeline.catalog.fingerprint import tables as fingerprint_tables
from pipeline.catalog.ingest import submissions
from pipeline.catalog.ingest.submission_status import SubmissionStatus, statuses
from pipeline.following.update_index import update_index
from pipeline.imports.dedupe import dedupe_submissions
from pipeline.imports.persist import persist_submissions
from pipeline.imports.score import match_submissions
from pipeline.imports.validate import validate_submissions
from pipeline.index.reader import open_reader
from pipeline.index.writer import open_writer
from pipeline.messages import SubmissionBatch, from_message, to_message
from pipeline.runtime.databases import Databases
from pipeline.submission_fields import Receipt
from tests.support.catalogue.synthetic import Words

MBID = UUID("5d1f0c5e-1111-4aaa-8aaa-000000000001")


class Importer:
    """Imports submissions of one application and account."""

    def __init__(self, databases: Databases, index_path: Path) -> None:
        self.databases = databases
        self.index_path = index_path
        with databases.engine("app").begin() as connection:
            self.account_id = connection.execute(
                sa.insert(app_tables.account)
                .values(name="Tester", apikey=uuid4().hex)
                .returning(app_tables.account.c.id)
            ).scalar_one()
            self.application_id = connection.execute(
                sa.insert(app_tables.application)
                .values(name="Tests", version="1", apikey=uuid4().hex, account_id=self.account_id)
                .returning(app_tables.application.c.id)
            ).scalar_one()

    def receipt(self, words: Words, length: int = 200, **fields: Any) -> Receipt:
        """Return a receipt. Its MBID is `MBID` unless `fields` contain another one."""
        receipt = Receipt(self.account_id, self.application_id, "1.0", words, length, mbid=MBID)
        return replace(receipt, **fields)

    def receive(self, receipts: Sequence[Receipt]) -> tuple[UUID, list[int]]:
        """Write the receipts of one request; return its task id and the submission ids."""
        task_id = uuid4()
        with self.databases.engine("ingest").begin() as connection:
            return task_id, submissions.insert_receipts(connection, receipts, task_id)

    def match(self, ids: Sequence[int]) -> SubmissionBatch:
        """Run the stages before `persist`. Each batch is converted to a message and back."""
        batch = validate_submissions(ids, self.databases)
        batch = dedupe_submissions(through_a_message(batch), self.databases)
        return match_submissions(
            through_a_message(batch), open_reader(self.index_path), self.databases
        )

    def persist(self, batch: SubmissionBatch) -> int:
        """Run `persist`; return the changelog's position."""
        return persist_submissions(through_a_message(batch), self.databases)

    def update_index(self) -> int:
        """Apply the changelog; return the index's position."""
        with open_writer(self.index_path) as writer:
            return update_index(writer, self.databases)

    def run(self, *receipts: Receipt, index: bool = True) -> list[SubmissionStatus]:
        """Import one request with all stages; return the states of its submissions."""
        _, ids = self.receive(receipts)
        self.persist(self.match(ids))
        if index:
            self.update_index()
        return self.statuses(ids)

    def statuses(self, ids: Sequence[int]) -> list[SubmissionStatus]:
        """Return the states of submissions."""
        found = statuses(self.databases, ids)
        return [found[submission_id] for submission_id in ids]

    def rows(self, table: sa.Table) -> Sequence[sa.Row[Any]]:
        """Return a table of the fingerprint database, by id."""
        key = table.primary_key.columns[0]
        with self.databases.engine("fingerprint").connect() as connection:
            return connection.execute(sa.select(table).order_by(key)).all()

    def tracks(self) -> int:
        """Return the number of tracks."""
        return len(self.rows(fingerprint_tables.track))


def through_a_message(batch: SubmissionBatch) -> SubmissionBatch:
    """Convert a batch to a message and back, as between two stages."""
    return from_message(SubmissionBatch, to_message(batch))
