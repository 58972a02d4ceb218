"""Writes receipts: requests that arrive together share a transaction."""

import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa
import structlog

from api.http.errors import ApiError, ServiceUnavailableError
from api.submissions.group_commit import GroupCommit
from pipeline.catalog.ingest.submissions import insert_requests
from pipeline.runtime.databases import (
    DATABASE_UNREACHABLE,
    SHORTEST_LIMIT,
    Databases,
    limit_statements,
)
from pipeline.submission_fields import Receipt

MAX_RECEIPTS: Final = 500
"""The most receipts in one transaction; a request with more has a transaction of its own."""


_STATEMENT_SHARE: Final = 0.9
"""The share of the time left that a statement may take, so that its error arrives in time."""

logger = structlog.get_logger("acoustid.api.submissions.receipts")


@dataclass(eq=False, slots=True)
class _Request:
    """The receipts of one request.

    Attributes:
        deadline: when the request has to be answered, on the monotonic clock.
        future: resolves to the ids of the receipts, or to an error.
    """

    task_id: uuid.UUID
    receipts: Sequence[Receipt]
    deadline: float
    future: "Future[list[int]]" = field(default_factory=Future)

    def begin(self) -> bool:
        """Return whether to write it; once it is begun it can't be withdrawn."""
        if self.future.running():
            return True
        if self.future.cancelled():
            return False
        return time.monotonic() < self.deadline and self.future.set_running_or_notify_cancel()


class ReceiptWriter:
    """Writes the receipts of many request threads in few transactions.

    A commit costs about the same for one receipt as for a hundred. The requests that arrive during
    a commit share the next one; a single request is written at once.

    Args:
        databases: the receipts are in the ingest database.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self._group_commit = GroupCommit(
            "receipts",
            self._write_all,
            max_size=MAX_RECEIPTS,
            size=lambda request: len(request.receipts),
        )

    def write(self, receipts: Sequence[Receipt], task_id: uuid.UUID, deadline: float) -> list[int]:
        """Return the ids of a request's receipts, in order, once they are committed.

        A request whose deadline passes before its transaction begins is withdrawn: none of its
        receipts is written. If the outcome of a commit is unknown, the error says so; receipts that
        were committed are imported by the sweeper.

        Args:
            receipts: at least one.
            task_id: of the request.
            deadline: on the monotonic clock.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the receipts could not be written.
            ServiceUnavailableError: the deadline passed, or `close` was called.
        """
        request = _Request(task_id, receipts, deadline)
        self._group_commit.add(request)
        try:
            return request.future.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            if request.future.cancel():
                raise ServiceUnavailableError from None
            if request.future.done():
                return request.future.result()
            raise _unknown_outcome() from None

    def close(self) -> None:
        """Write the receipts of the requests that wait."""
        self._group_commit.close()

    def _write_all(self, requests: list[_Request]) -> None:
        """Write requests in one transaction; if that fails, each in its own."""
        try:
            with self._databases.engine("ingest").connect() as connection:
                begun = [each for each in requests if each.begin()]  # only once connected
                written = _insert(connection, begun)
                _commit(connection)
        except Exception as error:  # noqa: BLE001 - the waiting requests get any error
            failed = [each for each in requests if each.begin()]
            if len(failed) == 1 or isinstance(error, (*DATABASE_UNREACHABLE, ApiError)):
                for request in failed:
                    request.future.set_exception(error)
                return
            for request in failed:
                self._write_all([request])
        else:
            for request, ids in zip(begun, written, strict=True):
                request.future.set_result(ids)


def _insert(connection: sa.Connection, requests: Sequence[_Request]) -> list[list[int]]:
    """Insert the receipts of several requests; the time limit is that of the latest deadline."""
    if not requests:
        return []
    left = max(request.deadline for request in requests) - time.monotonic()
    # A statement that takes longer is cancelled, and its transaction is rolled back.
    limit_statements(connection, max(_STATEMENT_SHARE * left, SHORTEST_LIMIT))
    return insert_requests(connection, [(each.task_id, each.receipts) for each in requests])


def _commit(connection: sa.Connection) -> None:
    try:
        connection.commit()
    except DATABASE_UNREACHABLE as error:
        logger.error("it is unknown whether receipts were committed", error=str(error))  # noqa: TRY400 - an outage, not a bug
        raise _unknown_outcome() from None


def _unknown_outcome() -> ServiceUnavailableError:
    return ServiceUnavailableError(hint="the submissions may have been received all the same")
