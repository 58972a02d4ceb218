"""Tests of the receipt writer: shared transactions, failures, deadlines and unknown outcomes."""

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
import sqlalchemy.exc

from api.http.errors import ServiceUnavailableError
from api.submissions.receipts import ReceiptWriter
from cli.stack.servers.ports import free_port
from pipeline.catalog.ingest.tables import submission
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from pipeline.submission_fields import Receipt
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint
from tests.support.polling import eventually

REQUESTS = 40


@pytest.fixture
def writer(databases: Databases) -> Iterator[ReceiptWriter]:
    writer = ReceiptWriter(databases)
    yield writer
    writer.close()


def later(seconds: float = 60.0) -> float:
    """Return a deadline."""
    return time.monotonic() + seconds


def receipts(importer: Importer, number: int) -> list[Receipt]:
    """Return a few receipts; their lengths identify the request and their order."""
    return [
        importer.receipt(fingerprint(number), 10 * number + place)
        for place in range(1, 2 + number % 3)
    ]


def test_concurrent_requests_get_their_own_ids(databases: Databases, writer: ReceiptWriter) -> None:
    importer = Importer(databases, Path("unused"))
    requests = {uuid.uuid4(): receipts(importer, number) for number in range(REQUESTS)}
    with ThreadPoolExecutor(REQUESTS) as pool:
        futures = {
            key: pool.submit(writer.write, each, key, later()) for key, each in requests.items()
        }
    written = {key: future.result() for key, future in futures.items()}
    columns = (submission.c.id, submission.c.task_id, submission.c.length, sa.text("xmin"))
    with databases.engine("ingest").connect() as connection:
        rows = {row.id: row for row in connection.execute(sa.select(*columns))}
    for task_id, ids in written.items():
        assert [rows[each].task_id for each in ids] == [task_id] * len(ids)
        assert [rows[each].length for each in ids] == [each.length for each in requests[task_id]]
    assert len(rows) == sum(map(len, requests.values()))
    assert len({row.xmin for row in rows.values()}) < REQUESTS


def test_a_request_that_cannot_be_written_does_not_affect_the_others(
    databases: Databases, writer: ReceiptWriter
) -> None:
    importer = Importer(databases, Path("unused"))
    good = importer.receipt(fingerprint(1))
    bad = replace(good, length=-1)
    with ThreadPoolExecutor(REQUESTS) as pool:
        futures = [
            pool.submit(writer.write, [bad if number % 5 == 0 else good], uuid.uuid4(), later())
            for number in range(REQUESTS)
        ]
    errors = [future.exception() for future in futures]
    assert [isinstance(each, sqlalchemy.exc.IntegrityError) for each in errors] == [
        number % 5 == 0 for number in range(REQUESTS)
    ]


def test_without_a_database_every_request_fails(settings: Settings) -> None:
    unreachable = settings.database_ingest.model_copy(update={"port": free_port()})
    databases = Databases(settings.model_copy(update={"database_ingest": unreachable}))
    writer = ReceiptWriter(databases)
    receipt = Receipt(1, 1, None, fingerprint(1), 200)
    with ThreadPoolExecutor(5) as pool:
        futures = [pool.submit(writer.write, [receipt], uuid.uuid4(), later()) for _ in range(5)]
    for future in futures:
        assert isinstance(future.exception(), sqlalchemy.exc.OperationalError)
    writer.close()
    databases.dispose()


@contextmanager
def locked(databases: Databases) -> Iterator[None]:
    """Block the writing of receipts inside the block."""
    with databases.engine("ingest").begin() as connection:
        connection.execute(sa.text("LOCK TABLE submission IN SHARE ROW EXCLUSIVE MODE"))
        yield


def waiting_statements(databases: Databases) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with databases.engine("ingest").connect() as connection:
        return int(connection.execute(sa.text(query)).scalar_one())


def written(databases: Databases) -> list[int]:
    """Return the lengths of all receipts, which identify them."""
    with databases.engine("ingest").connect() as connection:
        return list(connection.execute(sa.select(submission.c.length)).scalars())


def test_a_request_whose_deadline_passes_before_its_transaction_is_never_written(
    databases: Databases, writer: ReceiptWriter
) -> None:
    importer = Importer(databases, Path("unused"))
    first, late, last = (importer.receipt(fingerprint(n), n) for n in (1, 2, 3))
    with ThreadPoolExecutor(2) as pool:
        with locked(databases):
            going = pool.submit(writer.write, [first], uuid.uuid4(), later())
            eventually(lambda: waiting_statements(databases) == 1)
            begun = time.monotonic()
            with pytest.raises(ServiceUnavailableError) as caught:
                writer.write([late], uuid.uuid4(), later(0.3))
            assert 0.3 <= time.monotonic() - begun < 5
            assert caught.value.headers == {"Retry-After": "1"}
            assert "received" not in caught.value.message
        assert len(going.result(30)) == 1
    assert len(writer.write([last], uuid.uuid4(), later())) == 1
    assert written(databases) == [1, 3]


def test_a_request_after_its_deadline_is_not_written(
    databases: Databases, writer: ReceiptWriter
) -> None:
    importer = Importer(databases, Path("unused"))
    with pytest.raises(ServiceUnavailableError):
        writer.write([importer.receipt(fingerprint(1), 1)], uuid.uuid4(), later(-1))
    assert len(writer.write([importer.receipt(fingerprint(2), 2)], uuid.uuid4(), later())) == 1
    assert written(databases) == [2]


def test_a_transaction_that_takes_too_long_is_rolled_back(
    databases: Databases, writer: ReceiptWriter
) -> None:
    importer = Importer(databases, Path("unused"))
    with locked(databases):
        deadline = later(3)
        with pytest.raises(sqlalchemy.exc.OperationalError, match="statement timeout"):
            writer.write([importer.receipt(fingerprint(1), 1)], uuid.uuid4(), deadline)
        assert time.monotonic() < deadline
        assert waiting_statements(databases) == 0
    assert len(writer.write([importer.receipt(fingerprint(2), 2)], uuid.uuid4(), later())) == 1
    assert written(databases) == [2]


def test_a_deadline_during_the_transaction_is_an_error_that_the_receipts_may_be_received(
    databases: Databases, writer: ReceiptWriter
) -> None:
    importer = Importer(databases, Path("unused"))
    blocker, *others = (importer.receipt(fingerprint(n), n) for n in (1, 2, 3))
    with ThreadPoolExecutor(3) as pool, locked(databases):
        # The two share the transaction after the first; the longer deadline is its time limit.
        first = pool.submit(writer.write, [blocker], uuid.uuid4(), later(2))
        eventually(lambda: waiting_statements(databases) == 1)
        hasty = pool.submit(writer.write, others[:1], uuid.uuid4(), later(5))
        patient = pool.submit(writer.write, others[1:], uuid.uuid4(), later(60))
        assert first.exception(30) is not None  # then the transaction of the others begins
        eventually(lambda: waiting_statements(databases) == 1)
        error = hasty.exception(30)
        assert isinstance(error, ServiceUnavailableError)
        assert "may have been received" in error.message
        assert not patient.done()
    assert len(patient.result(30)) == 1
    assert written(databases) == [2, 3]


@pytest.fixture
def breaking_commits(databases: Databases) -> Iterator[None]:
    """Have the server end a connection that commits a receipt of 1 s."""
    break_connection = """
        CREATE FUNCTION break_connection() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER breaking AFTER INSERT ON submission
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.length = 1)
        EXECUTE FUNCTION break_connection()
    """
    with databases.engine("ingest").begin() as connection:
        connection.execute(sa.text(break_connection))
    yield
    with databases.engine("ingest").begin() as connection:
        connection.execute(sa.text("DROP FUNCTION break_connection CASCADE"))


@pytest.mark.usefixtures("breaking_commits")
def test_a_commit_without_a_reply_is_an_error_that_the_receipts_may_be_received(
    databases: Databases, writer: ReceiptWriter
) -> None:
    importer = Importer(databases, Path("unused"))
    with pytest.raises(ServiceUnavailableError, match="may have been received"):
        writer.write([importer.receipt(fingerprint(1), 1)], uuid.uuid4(), later())
    assert len(writer.write([importer.receipt(fingerprint(2), 2)], uuid.uuid4(), later())) == 1
    assert written(databases) == [2]
