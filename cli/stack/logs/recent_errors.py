"""The last errors in the logs of a stack, without their tracebacks."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cli.stack.data_directory import DataDir

TAIL_BYTES: Final = 128 * 1024
"""Number of bytes at the end of each log that are searched."""

MAX_AGE: Final = timedelta(days=1)
MAX_ERRORS: Final = 5
MAX_MESSAGE: Final = 300
"""Maximum number of characters of a message."""

_ERRORS: Final = frozenset({"error", "critical"})
_TEXT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)[,.]\d+ \[\d+\] \[(ERROR|CRITICAL)\] [^ ]+: (.*)"
)
_POSTGRES: Final = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.\d+ UTC \[\d+\] \S* ?(?:FATAL|PANIC): +(.*)"
)
_ROUTINE: Final = re.compile(
    r"database .* does not exist|the database system is .*|terminating connection .*"
)
"""Messages of PostgreSQL that belong to a first start, or to the start and end of each run."""

_SUPERVISOR: Final = re.compile(
    r"(\d\d:\d\d:\d\d) (.* ended \(.*|.*not loaded.*|.*not possible.*|.*cannot be.*)"
)


@dataclass(frozen=True, slots=True)
class LoggedError:
    """An error in a log.

    Attributes:
        time: its time, in the time zone of this machine.
        role: the role whose log contains it.
        message: its first line.
    """

    time: datetime
    role: str
    message: str


def recent_errors(data: DataDir, now: datetime | None = None) -> list[LoggedError]:
    """Return the last errors in the logs of a stack, oldest first.

    Repetitions of a message in one log are left out, except the last one.
    """
    since = (now or datetime.now().astimezone()) - MAX_AGE
    found: dict[tuple[str, str], LoggedError] = {}
    for path in sorted(data.log("x").parent.glob("*.log")):
        for error in _errors(path):
            if error.time >= since:
                found[error.role, error.message] = error
    return sorted(found.values(), key=lambda error: error.time)[-MAX_ERRORS:]


def _errors(path: Path) -> Iterator[LoggedError]:
    role = path.stem
    read = {"postgres": _read_postgres, "supervisor": _supervisor_reader(path)}.get(role, _read_own)
    for line in _last_lines(path):
        found = read(line)
        if found is not None:
            time, message = found
            yield LoggedError(time, role, message[:MAX_MESSAGE])


def _last_lines(path: Path) -> list[str]:
    """Return the lines at the end of a log. The first may be cut. An unreadable log has none."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return log.read().decode(errors="replace").splitlines()
    except OSError:
        return []


def _read_own(line: str) -> tuple[datetime, str] | None:
    """Return time and message of an error that `pipeline.runtime.logs` has written."""
    if line.startswith("{"):
        return _read_json(line)
    match = _TEXT.fullmatch(line)
    return (datetime.fromisoformat(match[1]).astimezone(), match[3]) if match else None


def _read_json(line: str) -> tuple[datetime, str] | None:
    try:
        entry = json.loads(line)
        if entry["level"] in _ERRORS:
            return datetime.fromisoformat(entry["time"]).astimezone(), str(entry["message"])
    except (ValueError, KeyError, TypeError):
        pass
    return None


def _read_postgres(line: str) -> tuple[datetime, str] | None:
    match = _POSTGRES.fullmatch(line)
    if match and _ROUTINE.fullmatch(match[2]):
        return None
    return (datetime.fromisoformat(f"{match[1]}+00:00").astimezone(), match[2]) if match else None


def _supervisor_reader(path: Path) -> Callable[[str], tuple[datetime, str] | None]:
    """Return a function that reads a line of the supervisor, which has a time but no date.

    The date is that of the last change of the log, or the day before.
    """
    try:
        changed = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
    except OSError:
        return lambda _: None

    def read(line: str) -> tuple[datetime, str] | None:
        match = _SUPERVISOR.fullmatch(line)
        if match is None:
            return None
        hour, minute, second = map(int, match[1].split(":"))
        time = changed.replace(hour=hour, minute=minute, second=second, microsecond=0)
        return (time if time <= changed else time - timedelta(days=1)), match[2]

    return read
