"""Tests of the causes of errors."""

import nats.errors
import psycopg2.errors
import pytest
from redis.exceptions import RedisError
from sqlalchemy import exc

from api.http.errors import ServiceUnavailableError
from nats_bridge.ingest.faults import Fault, fault_of_write, problem_of
from nats_bridge.streams.preparation import SetupError
from pipeline.runtime.links.guarded_pool import DatabaseAwayError


class Reported(psycopg2.Error):
    """An error that PostgreSQL reports, with any SQLSTATE."""

    def __init__(self, sqlstate: str | None) -> None:
        self.sqlstate = sqlstate

    @property
    def pgcode(self) -> str | None:  # type: ignore[override]
        """The SQLSTATE."""
        return self.sqlstate


@pytest.mark.parametrize(
    ("sqlstate", "fault"),
    [
        ("22021", Fault.CONTENT),  # a character that the encoding does not have
        ("22P05", Fault.CONTENT),  # NUL in JSON
        ("23514", Fault.CONTENT),  # a check
        ("54000", Fault.CONTENT),  # a row that is too large for an index
        ("2200H", Fault.UNKNOWN),  # no more ids
        ("23505", Fault.UNKNOWN),  # an id that exists
        ("XX000", Fault.UNKNOWN),
        (None, Fault.INFRASTRUCTURE),  # the connection was lost
        ("25006", Fault.INFRASTRUCTURE),  # a standby
        ("28000", Fault.INFRASTRUCTURE),  # the role may not log in
        ("40P01", Fault.INFRASTRUCTURE),  # a deadlock
        ("42501", Fault.INFRASTRUCTURE),  # a missing right
        ("42P01", Fault.INFRASTRUCTURE),  # a missing table
        ("53100", Fault.INFRASTRUCTURE),  # a full disk
        ("55P03", Fault.INFRASTRUCTURE),  # a lock
        ("57014", Fault.INFRASTRUCTURE),  # a time limit
        ("57P01", Fault.INFRASTRUCTURE),  # a shutdown
    ],
)
def test_an_error_of_postgresql_has_the_cause_of_its_sqlstate(
    sqlstate: str | None, fault: Fault
) -> None:
    assert fault_of_write(exc.DBAPIError("", None, Reported(sqlstate))) is fault


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (exc.StatementError("", "", None, ValueError()), Fault.CONTENT),
        (ValueError("A string literal cannot contain NUL"), Fault.CONTENT),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, ""), Fault.CONTENT),
        (exc.TimeoutError(), Fault.INFRASTRUCTURE),
        (DatabaseAwayError("away", 1.0), Fault.INFRASTRUCTURE),
        (exc.ResourceClosedError(), Fault.INFRASTRUCTURE),
        (RedisError(), Fault.INFRASTRUCTURE),
        (OSError(), Fault.INFRASTRUCTURE),
        (MemoryError(), Fault.INFRASTRUCTURE),
        (ServiceUnavailableError(), Fault.INFRASTRUCTURE),
    ],
)
def test_other_errors_have_the_cause_of_their_class(error: Exception, fault: Fault) -> None:
    assert fault_of_write(error) is fault


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SetupError("consumer c has ack policy none"), "consumer c has ack policy none"),
        (nats.errors.TimeoutError(), "NATS: the server does not answer in time"),
        (ServiceUnavailableError(), ServiceUnavailableError().message),
        (DatabaseAwayError("the database is away", 1.0), "the database is away"),
        (exc.TimeoutError(), "PostgreSQL: no connection was free in time"),
        (
            exc.OperationalError(None, None, psycopg2.OperationalError("connection refused\n")),
            "PostgreSQL: connection refused",
        ),
        (
            exc.ProgrammingError("SELECT 'hush'", None, Reported("42P01")),
            "PostgreSQL: Reported, SQLSTATE 42P01",
        ),
        (ValueError("hush"), "unexpected error ValueError: the log has details"),
    ],
)
def test_a_problem_says_why_messages_wait(error: Exception, text: str) -> None:
    assert problem_of(error) == text
