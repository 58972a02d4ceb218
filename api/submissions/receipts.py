"""Writes receipts to the database. Requests that arrive together share a transaction."""

import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import IntegrityError

from api.http.errors import ApiError, ServiceUnavailableError
from api.submissions.group_commit import GroupCommit
from pipeline.catalog.ingest.submissions import insert_requests
from pipeline.runtime.databases import (
    DATABASE_UNREACHABLE,
    DATABASE_UNUSABLE,
    SHORTEST_LIMIT,
    Databases,
    limit_statements,
)
from pipeline.runtime.links.deadline import ends_by
from pipeline.submission_fields import Receipt

MAX_RECEIPTS: Final = 500
"""Maximum number of receipts in one transaction; a request with more has one of its own.

A long fingerprint counts several times, once for each begun `_PART` of its words.
"""

_PART: Final = 8192  # words, 17 minutes of audio

_STATEMENT_SHARE: Final = 0.9
"""Part of the remaining time that a statement may take, so that its error arrives in time."""

logger = structlog.get_logger("acoustid.api.submissions.receipts")


@dataclass(eq=False, slots=True)
class _Request:
    """The receipts of one request.

    Attributes:
        deadline: time at which the request times out, on the monotonic clock.
        future: resolves to the ids of the receipts, or to an error.
    """

    task_id: uuid.UUID
    receipts: Sequence[Receipt]
    deadline: float
    future: "Future[list[int]]" = field(default_factory=Future)

    def begin(self) -> bool:
        """Return whether the request is to be written; if so, it can no longer be withdrawn."""
        if self.future.running():
            return True
        if self.future.cancelled():
            return False
        return time.monotonic() < self.deadline and self.future.set_running_or_notify_cancel()


class ReceiptWriter:
    """Writes the receipts of many request threads in few transactions.

    A commit takes about the same time for one receipt as for a hundred. The requests that arrive
    during a commit share the next one. A single request is written at once.

    Args:
        databases: the receipts are in the ingest database.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self._group_commit = GroupCommit(
            "receipts",
            self._write_all,
            max_size=MAX_RECEIPTS,
            size=lambda request: sum(1 + each.words.size // _PART for each in request.receipts),
        )

    def write(self, receipts: Sequence[Receipt], task_id: uuid.UUID, deadline: float) -> list[int]:
        """Return the ids of a request's receipts, in order, once they are committed.

        A request whose deadline passes before its transaction begins is withdrawn, so none of its
        receipts is written. If the outcome of a commit is unknown, the message of the error says
        so; the sweeper imports any receipts that were committed.

        Args:
            receipts: the receipts of the request, at least one.
            task_id: the id of the task that imports the receipts.
            deadline: time at which the request times out, on the monotonic clock.

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
        """Write the receipts of the waiting requests."""
        self._group_commit.close()

    def _write_all(self, requests: list[_Request]) -> None:
        """Write requests in one transaction; if it fails, write each request in its own."""
        try:
            latest = max(request.deadline for request in requests)
            with ends_by(latest), self._databases.engine("ingest").connect() as connection:
                begun = [
                    each for each in requests if each.begin()
                ]  # not before there is a connection
                written = _insert(connection, begun)
                _commit(connection)
        except Exception as error:  # noqa: BLE001 - all errors are passed to the waiting requests
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
    """Insert the receipts of several requests, with the latest deadline as the time limit."""
    if not requests:
        return []
    left = max(request.deadline for request in requests) - time.monotonic()
    # PostgreSQL cancels a statement that takes longer, and the transaction is rolled back.
    limit_statements(connection, max(_STATEMENT_SHARE * left, SHORTEST_LIMIT))
    return insert_requests(connection, [(each.task_id, each.receipts) for each in requests])


def _commit(connection: sa.Connection) -> None:
    try:
        connection.commit()
    except IntegrityError:  # a deferred constraint: nothing was committed
        raise
    except DATABASE_UNUSABLE as error:
        logger.error("it is unknown whether receipts were committed", error=str(error))  # noqa: TRY400 - an outage, not a bug
        raise _unknown_outcome() from None


def _unknown_outcome() -> ServiceUnavailableError:
    return ServiceUnavailableError(hint="the submissions may have been received")
