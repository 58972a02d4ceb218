"""How far the files of other catalogues were received, so that no line is received twice.

A row is written in the transaction of the receipts. It belongs to a file, an application and an
account: the same file may be imported again for another application.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.catalog.ingest.tables import received_file


@dataclass(frozen=True, slots=True)
class Submitter:
    """The application and the account of imported lines.

    Attributes:
        version: the version of the application.
    """

    application_id: int
    account_id: int
    version: str | None = None


@dataclass(frozen=True, slots=True)
class FileProgress:
    """The part of a file that was received.

    Attributes:
        file: the absolute path.
        digest: identifies the content of that part.
        lines: the number of its lines, refused and blank ones included.
        is_finished: whether it was the whole file.
    """

    file: str
    digest: bytes
    lines: int
    is_finished: bool = False


def find(connection: sa.Connection, submitter: Submitter, file: str) -> FileProgress | None:
    """Return the progress in a file; None if no line of it was received.

    Args:
        connection: a connection to the ingest database.
        submitter: the application and the account.
        file: the absolute path.
    """
    return next(_found(connection, submitter, received_file.c.file == file), None)


def find_copy(connection: sa.Connection, submitter: Submitter, digest: bytes) -> str | None:
    """Return the path of a finished file with the same content; None without one.

    Args:
        connection: a connection to the ingest database.
        submitter: the application and the account.
        digest: the digest of the whole file.
    """
    is_equal = (received_file.c.digest == digest) & received_file.c.finished.is_not(None)
    found = next(_found(connection, submitter, is_equal), None)
    return found.file if found else None


def finished_below(
    connection: sa.Connection, submitter: Submitter, folder: str
) -> dict[str, bytes]:
    """Return the digests of the finished files in a folder and those below it, by path."""
    prefix = folder.rstrip("/") + "/"
    is_below = sa.func.starts_with(received_file.c.file, prefix)
    found = _found(connection, submitter, is_below & received_file.c.finished.is_not(None))
    return {each.file: each.digest for each in found}


def save(connection: sa.Connection, submitter: Submitter, files: Iterable[FileProgress]) -> None:
    """Write the progress in files.

    Args:
        connection: a connection to the ingest database, in the transaction of the receipts.
        submitter: the application and the account.
        files: the progress in each file, at most one for each.
    """
    rows = [
        {
            "file": each.file,
            "application_id": submitter.application_id,
            "account_id": submitter.account_id,
            "digest": each.digest,
            "lines": each.lines,
            "finished": sa.func.now() if each.is_finished else None,
        }
        for each in files
    ]
    if not rows:
        return
    statement = insert(received_file).values(rows)
    changed = {name: statement.excluded[name] for name in ("digest", "lines", "finished")}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["file", "application_id", "account_id"], set_=changed
        )
    )


def _found(
    connection: sa.Connection, submitter: Submitter, condition: sa.ColumnElement[bool]
) -> Iterator[FileProgress]:
    columns = received_file.c
    statement = sa.select(columns.file, columns.digest, columns.lines, columns.finished).where(
        columns.application_id == submitter.application_id,
        columns.account_id == submitter.account_id,
        condition,
    )
    for row in connection.execute(statement.order_by(columns.file)):
        yield FileProgress(row.file, bytes(row.digest), row.lines, row.finished is not None)
