"""Each row of the table of outcomes, with the errors that it stands for."""

import errno
from collections.abc import Callable
from pathlib import Path

import kombu.exceptions
import psycopg2
import psycopg2.errors as postgres
import pydantic
import pytest
import redis.exceptions as redis_errors
from celery.exceptions import (
    BackendStoreError,
    SoftTimeLimitExceeded,
    TimeLimitExceeded,
    WorkerLostError,
)
from sqlalchemy import exc

from pipeline.catalog.fingerprint.changelog import ForeignIndexError
from pipeline.catalog.schema_version import NewerSchemaError
from pipeline.fingerprint_store.errors import StoreCorrupt, StoreLocked
from pipeline.following.open_index import IndexBusy
from pipeline.following.store_copy import OtherDatabaseError
from pipeline.imports.persist import StaleMatchesError
from pipeline.imports.score import IndexBehindError
from pipeline.index.errors import (
    IndexCorrupt,
    IndexLocked,
    IndexUnavailable,
    RequestRefused,
    SearchTimeout,
    StateRefused,
    WriterUnusable,
)
from pipeline.lookups.condition import Condition
from pipeline.lookups.trusted_index import IndexUnusable
from pipeline.messages import SubmissionBatch, from_message
from pipeline.settings.load import ConfigError
from pipeline.storage.errors import StorageCorrupt
from tasks.outcomes.table import TABLE, Cause, Outcome, is_transient, row_of

FILE = Path("/srv/index/1.seg")


def _wrapped(original: psycopg2.Error) -> BaseException:
    """Return the error of SQLAlchemy for an error of the driver."""
    error = exc.DBAPIError.instance("SELECT 1", {}, original, psycopg2.Error)
    assert isinstance(error, BaseException)
    return error


def _old_message() -> BaseException:
    with pytest.raises(pydantic.ValidationError) as raised:
        from_message(SubmissionBatch, {"ids": [1]})
    return raised.value


POSTGRES: list[psycopg2.Error] = [
    psycopg2.OperationalError("could not connect to server: Connection refused"),
    psycopg2.InterfaceError("connection already closed"),
    psycopg2.DatabaseError("error with status PGRES_TUPLES_OK and no message from the libpq"),
    postgres.ReadOnlySqlTransaction(),
    postgres.DiskFull(),
    postgres.OutOfMemory(),
    postgres.TooManyConnections(),
    postgres.ConfigurationLimitExceeded(),
    postgres.AdminShutdown(),
    postgres.CrashShutdown(),
    postgres.CannotConnectNow(),
    postgres.DatabaseDropped(),
    postgres.IdleInTransactionSessionTimeout(),
    postgres.LockNotAvailable(),
    postgres.ObjectInUse(),
    postgres.SerializationFailure(),
    postgres.DeadlockDetected(),
    postgres.IoError(),
    postgres.DataCorrupted(),
    postgres.IndexCorrupted(),
    postgres.InsufficientPrivilege(),
    postgres.UndefinedTable(),
    postgres.UndefinedColumn(),
    postgres.FeatureNotSupported(),
    postgres.InFailedSqlTransaction(),
]

ROWS: list[tuple[Outcome, Cause, BaseException]] = [
    *((Outcome.TRANSIENT, Cause.DATABASE, _wrapped(each)) for each in POSTGRES),
    *((Outcome.TRANSIENT, Cause.DATABASE, each) for each in POSTGRES),
    (Outcome.TOO_SLOW, Cause.DATABASE, postgres.QueryCanceled()),
    (Outcome.TOO_SLOW, Cause.DATABASE, _wrapped(postgres.QueryCanceled())),
    (Outcome.TRANSIENT, Cause.DATABASE, exc.TimeoutError("no connection is free")),
    (Outcome.TRANSIENT, Cause.DATABASE, exc.PendingRollbackError("the connection is lost")),
    (Outcome.TRANSIENT, Cause.DATABASE, exc.ResourceClosedError("the connection is closed")),
    (Outcome.TRANSIENT, Cause.DATABASE, StaleMatchesError()),
    (Outcome.FAULT, Cause.SUBMISSION, _wrapped(postgres.NumericValueOutOfRange())),
    (Outcome.FAULT, Cause.SUBMISSION, _wrapped(postgres.UntranslatableCharacter())),
    (Outcome.FAULT, Cause.SUBMISSION, _wrapped(postgres.NotNullViolation())),
    (Outcome.FAULT, Cause.SUBMISSION, _wrapped(postgres.CheckViolation())),
    (Outcome.FAULT, Cause.SUBMISSION, postgres.NumericValueOutOfRange()),
    (Outcome.FAULT, Cause.SUBMISSION, postgres.CheckViolation()),
    (Outcome.TRANSIENT, Cause.REDIS, redis_errors.ConnectionError("refused")),
    (Outcome.TRANSIENT, Cause.REDIS, redis_errors.TimeoutError("no reply")),
    (Outcome.TRANSIENT, Cause.REDIS, redis_errors.ResponseError("MISCONF can't persist")),
    (Outcome.TRANSIENT, Cause.REDIS, redis_errors.OutOfMemoryError("command not allowed")),
    (Outcome.TRANSIENT, Cause.REDIS, redis_errors.ReadOnlyError("READONLY replica")),
    (Outcome.TRANSIENT, Cause.REDIS, redis_errors.BusyLoadingError("LOADING")),
    (Outcome.TRANSIENT, Cause.REDIS, redis_errors.ResponseError("BUSY running a script")),
    (Outcome.TRANSIENT, Cause.REDIS, redis_errors.ExecAbortError("discarded: OOM")),
    (Outcome.TRANSIENT, Cause.REDIS, redis_errors.AuthenticationError("WRONGPASS")),
    (Outcome.TRANSIENT, Cause.REDIS, redis_errors.NoPermissionError("NOPERM")),
    (Outcome.TRANSIENT, Cause.REDIS, BackendStoreError("failed to store the result")),
    (Outcome.TRANSIENT, Cause.BROKER, kombu.exceptions.OperationalError("refused")),
    (Outcome.TRANSIENT, Cause.INDEX, IndexUnusable(Condition.MISSING)),
    (Outcome.TRANSIENT, Cause.INDEX, IndexUnusable(Condition.FOREIGN)),
    (Outcome.TRANSIENT, Cause.INDEX, IndexCorrupt(FILE, "has 0 bytes, but 64 in the manifest")),
    (Outcome.TRANSIENT, Cause.INDEX, IndexLocked(FILE.parent)),
    (Outcome.TRANSIENT, Cause.INDEX, IndexBusy("another process writes it")),
    (Outcome.TRANSIENT, Cause.INDEX, IndexUnavailable("no server replies")),
    (Outcome.TOO_SLOW, Cause.INDEX, SearchTimeout("5 s")),
    (Outcome.TRANSIENT, Cause.INDEX, StateRefused(None)),
    (Outcome.TRANSIENT, Cause.INDEX, WriterUnusable("closed")),
    (Outcome.TRANSIENT, Cause.INDEX, ForeignIndexError("of another database")),
    (Outcome.TRANSIENT, Cause.INDEX, IndexBehindError("5,000 fingerprints behind")),
    (Outcome.TRANSIENT, Cause.INDEX, StoreCorrupt(FILE, "is truncated")),
    (Outcome.TRANSIENT, Cause.INDEX, StoreLocked(FILE.parent)),
    (Outcome.TRANSIENT, Cause.INDEX, OtherDatabaseError("of another database")),
    (Outcome.TRANSIENT, Cause.INDEX, StorageCorrupt(FILE, "is truncated")),
    (Outcome.TOO_LARGE, Cause.INDEX, RequestRefused("413")),
    *(
        (Outcome.TRANSIENT, Cause.SYSTEM, OSError(number, name))
        for number, name in errno.errorcode.items()
    ),
    (Outcome.TRANSIENT, Cause.SYSTEM, TimeoutError()),
    (Outcome.TOO_LARGE, Cause.MEMORY, MemoryError()),
    (Outcome.TRANSIENT, Cause.INSTALLATION, ModuleNotFoundError("numba")),
    (Outcome.TRANSIENT, Cause.INSTALLATION, ConfigError(["[redis] prot: unknown"])),
    (Outcome.TRANSIENT, Cause.INSTALLATION, NewerSchemaError("ingest_0009")),
    (Outcome.TRANSIENT, Cause.INSTALLATION, _old_message()),
    (Outcome.CRASH, Cause.WORKER, WorkerLostError("signal 9 (SIGKILL)")),
    (Outcome.CRASH, Cause.WORKER, TimeLimitExceeded(25)),
    (Outcome.CRASH, Cause.WORKER, SoftTimeLimitExceeded()),
    (Outcome.FAULT, Cause.SUBMISSION, ValueError("buffer size must be a multiple of 4")),
    (Outcome.FAULT, Cause.SUBMISSION, KeyError("words")),
    (Outcome.FAULT, Cause.SUBMISSION, AssertionError()),
]


def _name(value: object) -> str:
    return type(value).__name__ if isinstance(value, BaseException) else str(value)


@pytest.mark.parametrize(("outcome", "cause", "error"), ROWS, ids=_name)
def test_an_error_has_the_outcome_of_its_row(
    outcome: Outcome, cause: Cause, error: BaseException
) -> None:
    row = row_of(error)
    assert (row.outcome, row.cause) == (outcome, cause)


def test_every_row_is_tested() -> None:
    assert {row_of(error) for _, _, error in ROWS} == set(TABLE)
    assert len({row.error for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (lambda: OSError(errno.EIO, "input/output error"), Outcome.TRANSIENT),
        (lambda: WorkerLostError("signal 11"), Outcome.CRASH),
        (lambda: KeyError("words"), Outcome.FAULT),
    ],
)
def test_an_unknown_error_has_the_outcome_of_its_cause(
    cause: Callable[[], BaseException], expected: Outcome
) -> None:
    error = RuntimeError("a library wraps errors")
    error.__cause__ = cause()
    assert row_of(error).outcome is expected
    error.__cause__.__cause__ = error  # a loop ends
    assert row_of(error).outcome is expected


def test_infrastructure_is_never_a_fault_of_the_submission() -> None:
    for row in TABLE:
        assert (row.outcome is Outcome.FAULT) == (row.cause is Cause.SUBMISSION)


def test_clients_are_told_to_wait_for_every_transient_error() -> None:
    for outcome, _, error in ROWS:
        assert is_transient(error) == (
            outcome in {Outcome.TRANSIENT, Outcome.TOO_SLOW, Outcome.TOO_LARGE}
        )
