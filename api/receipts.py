"""Group commit for receipts: requests that come together are written in one transaction."""

import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy.exc

from api.group_commit import GroupCommit
from pipeline.catalog.submissions import Receipt, insert_requests
from pipeline.runtime.databases import Databases

MOST: Final = 500
"""Receipts in one transaction; a request with more has its own."""

_AWAY: Final = (
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
)


@dataclass(eq=False, slots=True)
class _Request:
    """The receipts of one request, and in the end their ids or the error."""

    task_id: uuid.UUID
    receipts: Sequence[Receipt]
    written: "Future[list[int]]" = field(default_factory=Future)


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

    def write(self, receipts: Sequence[Receipt], task_id: uuid.UUID) -> list[int]:
        """Return the ids of a request's receipts, in order, once they are committed.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: they could not be written.
            ServiceUnavailableError: the process is about to end.
        """
        request = _Request(task_id, receipts)
        self._group_commit.add(request)
        return request.written.result()

    def close(self) -> None:
        """Write what waits."""
        self._group_commit.close()

    def _write_all(self, requests: list[_Request]) -> None:
        """Write requests together; where one of them can't be written, each by itself."""
        try:
            written = self._write(requests)
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits must learn of it
            if len(requests) == 1 or isinstance(error, _AWAY):
                for request in requests:
                    request.written.set_exception(error)
                return
            for request in requests:
                self._write_all([request])
        else:
            for request, ids in zip(requests, written, strict=True):
                request.written.set_result(ids)

    def _write(self, requests: Sequence[_Request]) -> list[list[int]]:
        with self._databases.engine("ingest").begin() as connection:
            return insert_requests(
                connection, [(request.task_id, request.receipts) for request in requests]
            )
