"""Separates errors that a message causes from faults of the infrastructure.

A message with wrong content is refused; it would fail for ever. A fault of the infrastructure never
refuses a message; it is delivered again.
"""

from enum import Enum, auto
from typing import Final

import nats.errors
from redis.exceptions import RedisError
from sqlalchemy import exc

from api.http.errors import ServiceUnavailableError
from nats_bridge.ingest.pulling import PullRefusedError
from nats_bridge.link.link_errors import explain_link
from nats_bridge.streams.preparation import SetupError
from pipeline.runtime.links.connection_errors import explain_unreachable
from pipeline.runtime.links.guarded_pool import DatabaseAwayError


class Fault(Enum):
    """The cause of an error of a transaction that writes receipts."""

    CONTENT = auto()
    """A value of a receipt: the message is refused."""

    UNKNOWN = auto()
    """A message or the database: messages that fail alone are delivered again."""

    INFRASTRUCTURE = auto()
    """The database: all messages are delivered again."""


INFRASTRUCTURE: Final = (
    exc.SQLAlchemyError,
    RedisError,
    OSError,
    MemoryError,
    ServiceUnavailableError,
)
"""Raised by the checks of a message if infrastructure is the cause: only keys are looked up."""

EXPECTED: Final = (*INFRASTRUCTURE, nats.errors.Error, SetupError)
"""Errors of servers and of their settings. Any other one is a defect, and needs its traceback."""

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_CONTENT_CLASSES: Final = frozenset({"22", "23", "54"})
"""Data exceptions, violated constraints, exceeded limits of the program."""

_OF_IDS: Final = frozenset({"2200H", "23505"})
"""A sequence at its end, and an id that exists already, for example after a restored backup. No
value of a message causes them."""

_INFRASTRUCTURE_CLASSES: Final = frozenset(
    {"08", "25", "28", "3D", "3F", "40", "42", "53", "55", "57", "58", "F0"}
)
"""Connections, read-only, logins, missing databases, schemas, tables and rights, deadlocks,
resources, locks, operators, the operating system, configuration files."""


def fault_of_write(error: Exception) -> Fault:
    """Return the cause of an error of a transaction that writes receipts."""
    if isinstance(error, exc.DBAPIError):
        return _fault_of_state(sqlstate_of(error))
    if isinstance(error, exc.StatementError):  # a value could not be passed to the database
        return Fault.CONTENT
    return Fault.INFRASTRUCTURE if isinstance(error, INFRASTRUCTURE) else Fault.CONTENT


def sqlstate_of(error: Exception) -> str | None:
    """Return the SQLSTATE of an error; None for an error that PostgreSQL did not report."""
    code = getattr(error.orig, "pgcode", None) if isinstance(error, exc.DBAPIError) else None
    return None if code is None else str(code)


def _fault_of_state(sqlstate: str | None) -> Fault:
    """Return the cause of an error, by the SQLSTATE; None without a reply of the server."""
    if sqlstate is None or sqlstate[:2] in _INFRASTRUCTURE_CLASSES:
        return Fault.INFRASTRUCTURE
    is_content = sqlstate[:2] in _CONTENT_CLASSES and sqlstate not in _OF_IDS
    return Fault.CONTENT if is_content else Fault.UNKNOWN


def problem_of(error: BaseException) -> str:
    """Return why messages wait and what to change, without values of a message or secrets."""
    match error:
        case SetupError() | PullRefusedError():
            text = str(error)
        case ServiceUnavailableError():
            text = error.message
        case nats.errors.Error():
            text = f"NATS: {explain_link(error)}"
        case _:
            text = explain_unreachable(error) or _of_database(error)
    return text


def _of_database(error: BaseException) -> str:
    match error:
        case DatabaseAwayError():
            return str(error)
        case exc.TimeoutError():
            return "PostgreSQL: no connection was free in time"
        case exc.DBAPIError():  # its text may contain values of a message
            state = sqlstate_of(error) or "unknown"
            return f"PostgreSQL: {type(error.orig).__name__}, SQLSTATE {state}"
    return f"unexpected error {type(error).__name__}: the log has details"
