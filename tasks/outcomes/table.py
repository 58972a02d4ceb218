"""The table of outcomes: the outcome of each class of errors for the submissions of a batch.

An error has the outcome of its class, or else that of the nearest base class in the table. An error
of a class that only the last row covers has the outcome of the error that caused it, if there is
one. Infrastructure is the cause of every outcome but `Outcome.FAULT`.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

import kombu.exceptions
import psycopg2
import pydantic
import redis
from celery.exceptions import (
    BackendError,
    SoftTimeLimitExceeded,
    TimeLimitExceeded,
    WorkerLostError,
)
from psycopg2.extensions import QueryCanceledError
from sqlalchemy import exc

from pipeline.catalog.fingerprint.changelog import ForeignIndexError
from pipeline.catalog.schema_version import NewerSchemaError
from pipeline.fingerprint_store.errors import FingerprintStoreError
from pipeline.imports.persist import StaleMatchesError
from pipeline.imports.score import IndexBehindError
from pipeline.index.errors import FingerprintIndexError, RequestRefused, SearchTimeout
from pipeline.settings.load import ConfigError
from pipeline.storage.errors import StorageError


class Outcome(Enum):
    """The treatment of the submissions of a batch after an error."""

    TRANSIENT = "transient"
    """They are tried again as they are. No attempt is counted."""

    TOO_SLOW = "too slow"
    """They are tried again as they are; after the last retry a batch is divided. No attempt is
    counted."""

    TOO_LARGE = "too large"
    """A batch is divided. A submission alone is tried again as it is. No attempt is counted."""

    CRASH = "crash"
    """A batch is divided. For a submission alone a crash of its worker is counted."""

    FAULT = "fault"
    """A batch is divided. A submission alone ends failed: the reason lies in it."""


class Cause(StrEnum):
    """The part of the installation that caused an error, for metrics and the status."""

    DATABASE = "database"
    REDIS = "redis"
    BROKER = "broker"
    INDEX = "index"
    SYSTEM = "system"
    """The operating system: disk, files, network."""

    MEMORY = "memory"
    INSTALLATION = "installation"
    """Code, configuration, message or schema of another version."""

    WORKER = "worker"
    SUBMISSION = "submission"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table."""

    error: type[BaseException]
    outcome: Outcome
    cause: Cause


TABLE: Final = (
    # Unreachable, read-only, full, stopped, locked, too slow, a deadlock; a missing table or
    # permission, since no statement contains text of a submission.
    Row(exc.DBAPIError, Outcome.TRANSIENT, Cause.DATABASE),
    Row(psycopg2.Error, Outcome.TRANSIENT, Cause.DATABASE),
    Row(exc.TimeoutError, Outcome.TRANSIENT, Cause.DATABASE),
    Row(exc.PendingRollbackError, Outcome.TRANSIENT, Cause.DATABASE),
    Row(exc.ResourceClosedError, Outcome.TRANSIENT, Cause.DATABASE),
    # A statement or a search for a large batch exceeds a time limit that a small one does not.
    Row(QueryCanceledError, Outcome.TOO_SLOW, Cause.DATABASE),
    Row(SearchTimeout, Outcome.TOO_SLOW, Cause.INDEX),
    # The values of a statement are those of submissions.
    Row(exc.DataError, Outcome.FAULT, Cause.SUBMISSION),
    Row(exc.IntegrityError, Outcome.FAULT, Cause.SUBMISSION),
    Row(psycopg2.DataError, Outcome.FAULT, Cause.SUBMISSION),
    Row(psycopg2.IntegrityError, Outcome.FAULT, Cause.SUBMISSION),
    # Unreachable, and every error reply: MISCONF, OOM, READONLY, LOADING, BUSY.
    Row(redis.RedisError, Outcome.TRANSIENT, Cause.REDIS),
    Row(kombu.exceptions.OperationalError, Outcome.TRANSIENT, Cause.BROKER),
    Row(BackendError, Outcome.TRANSIENT, Cause.REDIS),
    # Missing, damaged, foreign, incomplete, locked, unreachable.
    Row(FingerprintIndexError, Outcome.TRANSIENT, Cause.INDEX),
    Row(FingerprintStoreError, Outcome.TRANSIENT, Cause.INDEX),
    Row(StorageError, Outcome.TRANSIENT, Cause.INDEX),
    Row(ForeignIndexError, Outcome.TRANSIENT, Cause.INDEX),
    Row(IndexBehindError, Outcome.TRANSIENT, Cause.INDEX),
    # An index server may refuse a request that is too large for its limits.
    Row(RequestRefused, Outcome.TOO_LARGE, Cause.INDEX),
    # Other transactions changed the catalogue during each attempt.
    Row(StaleMatchesError, Outcome.TRANSIENT, Cause.DATABASE),
    # ENOSPC, EIO, EROFS, EDQUOT, EMFILE, a missing file, a lost connection.
    Row(OSError, Outcome.TRANSIENT, Cause.SYSTEM),
    Row(MemoryError, Outcome.TOO_LARGE, Cause.MEMORY),
    # During an upgrade.
    Row(ImportError, Outcome.TRANSIENT, Cause.INSTALLATION),
    Row(ConfigError, Outcome.TRANSIENT, Cause.INSTALLATION),
    Row(NewerSchemaError, Outcome.TRANSIENT, Cause.INSTALLATION),
    Row(pydantic.ValidationError, Outcome.TRANSIENT, Cause.INSTALLATION),
    Row(WorkerLostError, Outcome.CRASH, Cause.WORKER),
    Row(TimeLimitExceeded, Outcome.CRASH, Cause.WORKER),
    Row(SoftTimeLimitExceeded, Outcome.CRASH, Cause.WORKER),
    Row(BaseException, Outcome.FAULT, Cause.SUBMISSION),
)
"""One row for each class of errors; the order has no meaning."""

_MAY_SUCCEED: Final = frozenset({Outcome.TRANSIENT, Outcome.TOO_SLOW, Outcome.TOO_LARGE})

_ROWS: Final = {row.error: row for row in TABLE}
_LAST: Final = _ROWS[BaseException]

RETRIED: Final[tuple[type[BaseException], ...]] = tuple(
    row.error for row in TABLE if row.outcome in _MAY_SUCCEED
)
"""The classes of errors that a retry may avoid, for `autoretry_for` of Celery's tasks."""

NOT_RETRIED: Final[tuple[type[BaseException], ...]] = tuple(
    row.error for row in TABLE if row.outcome not in _MAY_SUCCEED and row is not _LAST
)
"""Classes derived from those in `RETRIED` that are exceptions to it, for `dont_autoretry_for`."""


def row_of(error: BaseException) -> Row:
    """Return the row of an error, or of the nearest error that caused it and has a row."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        if isinstance(each, exc.DBAPIError) and isinstance(each.orig, QueryCanceledError):
            each = each.orig  # SQLAlchemy has no class of its own for it
        row = next(_ROWS[kind] for kind in type(each).__mro__ if kind in _ROWS)
        if row is not _LAST:
            return row
        each = each.__cause__
    return _LAST


def is_transient(error: BaseException) -> bool:
    """Return whether a retry may succeed, so that a client gets 503 and not 500."""
    return row_of(error).outcome in _MAY_SUCCEED
