"""Receipts of concurrent requests share transactions, and nobody's mistake is another's."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
import sqlalchemy.exc

from api.receipts import ReceiptWriter
from cli.servers.ports import free_port
from pipeline.catalog.ingest_tables import submission
from pipeline.catalog.submissions import Receipt
from pipeline.runtime.databases import Databases
from pipeline.runtime.settings import Settings
from tests.importing import Importer
from tests.synthetic import fingerprint

REQUESTS = 40


@pytest.fixture
def writer(databases: Databases) -> Iterator[ReceiptWriter]:
    writer = ReceiptWriter(databases)
    yield writer
    writer.close()


def receipts(importer: Importer, number: int) -> list[Receipt]:
    """Return a few receipts whose lengths tell the request and their order."""
    return [
        importer.receipt(fingerprint(number), 10 * number + place)
        for place in range(1, 2 + number % 3)
    ]


def test_concurrent_requests_get_their_own_ids(databases: Databases, writer: ReceiptWriter) -> None:
    importer = Importer(databases, Path("unused"))
    requests = {uuid.uuid4(): receipts(importer, number) for number in range(REQUESTS)}
    with ThreadPoolExecutor(REQUESTS) as pool:
        futures = {key: pool.submit(writer.write, each, key) for key, each in requests.items()}
    written = {key: future.result() for key, future in futures.items()}
    columns = (submission.c.id, submission.c.task_id, submission.c.length, sa.text("xmin"))
    with databases.engine("ingest").connect() as connection:
        rows = {row.id: row for row in connection.execute(sa.select(*columns))}
    for task_id, ids in written.items():
        assert [rows[each].task_id for each in ids] == [task_id] * len(ids)
        assert [rows[each].length for each in ids] == [each.length for each in requests[task_id]]
    assert len(rows) == sum(map(len, requests.values()))
    assert len({row.xmin for row in rows.values()}) < REQUESTS


def test_a_request_that_cannot_be_written_spoils_no_other(
    databases: Databases, writer: ReceiptWriter
) -> None:
    importer = Importer(databases, Path("unused"))
    good = importer.receipt(fingerprint(1))
    bad = replace(good, length=-1)
    with ThreadPoolExecutor(REQUESTS) as pool:
        futures = [
            pool.submit(writer.write, [bad if number % 5 == 0 else good], uuid.uuid4())
            for number in range(REQUESTS)
        ]
    errors = [future.exception() for future in futures]
    assert [isinstance(each, sqlalchemy.exc.IntegrityError) for each in errors] == [
        number % 5 == 0 for number in range(REQUESTS)
    ]


def test_a_database_that_is_away_is_everybodys_error(settings: Settings) -> None:
    away = settings.database_ingest.model_copy(update={"port": free_port()})
    databases = Databases(settings.model_copy(update={"database_ingest": away}))
    writer = ReceiptWriter(databases)
    receipt = Receipt(1, 1, None, fingerprint(1), 200)
    with ThreadPoolExecutor(5) as pool:
        futures = [pool.submit(writer.write, [receipt], uuid.uuid4()) for _ in range(5)]
    for future in futures:
        assert isinstance(future.exception(), sqlalchemy.exc.OperationalError)
    writer.close()
    databases.dispose()
