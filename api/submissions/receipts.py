"""Group commit for receipts: requests that come together are written in one transaction."""

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
from pipeline.catalog.ingest.submissions import Receipt, insert_requests
from pipeline.runtime.databases import (
    DATABASE_UNREACHABLE,
    SHORTEST_LIMIT,
    Databases,
    limit_statements,
)

MOST: Final = 500
"""Receipts in one transaction; a request with more has its own."""

_SHARE: Final = 0.9  # of the time left, for each statement: who waits learns that it was cancelled


logger = structlog.get_logger("acoustid.api.receipts")


@dataclass(eq=False, slots=True)
class _Request:
    """The receipts of one request, and in the end their ids or the error.

    Attributes:
        deadline: when the request has to be answered, on the monotonic clock.
    """

    task_id: uuid.UUID
    receipts: Sequence[Receipt]
    deadline: float
    written: "Future[list[int]]" = field(default_factory=Future)

    def begin(self) -> bool:
        """Tell whether to go on with it; from then on it can't be withdrawn."""
        if self.written.running():
            return True
        if self.written.cancelled():
            return False
        return time.monotonic() < self.deadline and self.written.set_running_or_notify_cancel()


class ReceiptWriter:
    """Writes the receipts of many request threads in few transactions.

    A commit costs the same for one receipt and for a hundred. While one is under way the requests
    that come gather for the next; a request alone is written at once.

    Args:
        databases: of which the ingest database keeps the receipts.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self._group_commit = GroupCommit(
            "receipts", self._write_all, max_size=MOST, size=lambda request: len(request.receipts)
        )

    def write(self, receipts: Sequence[Receipt], task_id: uuid.UUID, deadline: float) -> list[int]:
        """Return the ids of a request's receipts, in order, once they are committed.

        A request whose deadline passes before its transaction begins is withdrawn: nothing of it
        is ever written. Where it is not known what becomes of it, the error says so: should the
        receipts be committed after all, the sweeper has them imported.

        Args:
            receipts: at least one.
            task_id: of the request.
            deadline: on the monotonic clock.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: they could not be written.
            ServiceUnavailableError: the deadline passed, or the process is about to end.
        """
        request = _Request(task_id, receipts, deadline)
        self._group_commit.add(request)
        try:
            return request.written.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            if request.written.cancel():
                raise ServiceUnavailableError from None
            if request.written.done():
                return request.written.result()
            raise _unsure() from None

    def close(self) -> None:
        """Write what waits."""
        self._group_commit.close()

    def _write_all(self, requests: list[_Request]) -> None:
        """Write requests together; where one of them can't be written, each by itself."""
        try:
            with self._databases.engine("ingest").connect() as connection:
                begun = [each for each in requests if each.begin()]  # not before it is connected
                written = _insert(connection, begun)
                _commit(connection)
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits must learn of it
            failed = [each for each in requests if each.begin()]
            if len(failed) == 1 or isinstance(error, (*DATABASE_UNREACHABLE, ApiError)):
                for request in failed:
                    request.written.set_exception(error)
                return
            for request in failed:
                self._write_all([request])
        else:
            for request, ids in zip(begun, written, strict=True):
                request.written.set_result(ids)


def _insert(connection: sa.Connection, requests: Sequence[_Request]) -> list[list[int]]:
    """Insert the receipts of several requests while any of these has time left."""
    if not requests:
        return []
    left = max(request.deadline for request in requests) - time.monotonic()
    # A statement that takes longer is cancelled, and nothing of its transaction remains.
    limit_statements(connection, max(_SHARE * left, SHORTEST_LIMIT))
    return insert_requests(connection, [(each.task_id, each.receipts) for each in requests])


def _commit(connection: sa.Connection) -> None:
    try:
        connection.commit()
    except DATABASE_UNREACHABLE as error:
        logger.error("receipts may be committed or not", error=str(error))  # noqa: TRY400 - an outage, not a bug
        raise _unsure() from None


def _unsure() -> ServiceUnavailableError:
    return ServiceUnavailableError(hint="the submissions may have been received all the same")
