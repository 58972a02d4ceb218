"""The last errors in the logs of a stack, without their tracebacks."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cli.stack.data_directory import DataDir
from cli.stack.logs.log_reader import SUFFIX, read_last_lines, time_of
from cli.stack.logs.plain_messages import plain, with_reason, without_fields

TAIL_LINES: Final = 1000
"""Number of lines at the end of each log that are searched."""

MAX_AGE: Final = timedelta(days=1)
MAX_ERRORS: Final = 5
MAX_MESSAGE: Final = 300
"""Maximum number of characters of a message."""

_ERRORS: Final = frozenset({"error", "critical"})
_TEXT: Final = re.compile(r"[^\[]+ \[\d+\] \[(?:ERROR|CRITICAL)\] [^ ]+: (.*)")
_NAMED_BY_CELERY: Final = "task failed"
"""The message of an error that Celery logs too, with the name of the task and the reason."""

_POSTGRES: Final = re.compile(r"[^\[]+ UTC \[\d+\] \S* ?(?:FATAL|PANIC): +(.*)")
_ROUTINE: Final = re.compile(
    r"database .* does not exist|the database system is .*|terminating connection .*"
)
"""Messages of PostgreSQL that belong to a first start, or to the start and end of each run."""

_SUPERVISOR: Final = re.compile(
    r"[\d:]{8} (.* ended \(.*|.*not loaded.*|.*not possible.*|.*cannot be.*)"
)


@dataclass(frozen=True, slots=True)
class LoggedError:
    """An error in a log.

    Attributes:
        time: its time, in the time zone of this machine.
        role: the role whose log contains it last.
        message: its first line in plain words, without fields.
        roles: all roles whose logs contain it, in alphabetical order.
    """

    time: datetime
    role: str
    message: str
    roles: tuple[str, ...] = ()


def recent_errors(data: DataDir, now: datetime | None = None) -> list[LoggedError]:
    """Return the last errors in the logs of a stack, oldest first.

    Repetitions of a message are left out, except the last one, which names all its roles.
    """
    since = (now or datetime.now().astimezone()) - MAX_AGE
    found: dict[str, LoggedError] = {}
    roles: dict[str, set[str]] = {}
    for path in sorted(data.log("x").parent.glob(f"*{SUFFIX}")):
        for error in _errors(path):
            if error.time < since:
                continue
            roles.setdefault(error.message, set()).add(error.role)
            last = found.setdefault(error.message, error)
            if error.time >= last.time:
                found[error.message] = error
    newest = sorted(found.values(), key=lambda error: error.time)[-MAX_ERRORS:]
    return [replace(error, roles=tuple(sorted(roles[error.message]))) for error in newest]


def _errors(path: Path) -> Iterator[LoggedError]:
    role = path.name.removesuffix(SUFFIX)
    read = {"postgres": _read_postgres, "supervisor": _read_supervisor}.get(role, _read_own)
    try:
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return
    for line in read_last_lines(path, TAIL_LINES):
        message = read(line.decode(errors="replace").rstrip("\r"))
        time = time_of(line, written) if message is not None else None
        if message is not None and time is not None:
            yield LoggedError(time.astimezone(), role, plain(message)[:MAX_MESSAGE])


def _read_own(line: str) -> str | None:
    """Return the message of an error that `pipeline.runtime.logs` has written."""
    if line.startswith("{"):
        message = _read_json(line)
    else:
        match = _TEXT.fullmatch(line)
        message = without_fields(match[1]) if match else None
    return None if message == _NAMED_BY_CELERY else message


def _read_json(line: str) -> str | None:
    try:
        entry = json.loads(line)
        message = str(entry["message"]).partition("\n")[0]
        return with_reason(message, entry) if entry["level"] in _ERRORS else None
    except (ValueError, KeyError, TypeError):
        return None


def _read_postgres(line: str) -> str | None:
    match = _POSTGRES.fullmatch(line)
    return match[1] if match and not _ROUTINE.fullmatch(match[1]) else None


def _read_supervisor(line: str) -> str | None:
    match = _SUPERVISOR.fullmatch(line)
    return match[1] if match else None
