"""Reads the logs of a stack: their last lines, and new lines as they are written."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Final

from cli.printable import printable
from cli.stack.logs.rotated_file import numbered

SUFFIX: Final = ".log"
_PIECE: Final = 1 << 16

_ISO: Final = re.compile(rb"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:[.,](\d{1,6}))?( UTC)?")
_JSON: Final = re.compile(rb'\{"time":"([^"]{19,40})"')
_VALKEY: Final = re.compile(rb"\d+:\w (\d\d \w{3} \d{4} \d\d:\d\d:\d\d)\.(\d{3})")
_CLOCK: Final = re.compile(rb"(\d\d:\d\d:\d\d) ")


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a log.

    Attributes:
        role: the name of the log.
        text: the line without its end. `printable` has replaced control characters.
    """

    role: str
    text: str


class LogReader:
    """Reads one log and continues in the next file after a rotation.

    Args:
        path: the log, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.role = path.name.removesuffix(SUFFIX)
        self._path = path
        self._handle = -1
        self._rest = b""

    def last_lines(self, number: int) -> list[tuple[datetime, LogLine]]:
        """Return the last lines with their times. `new_lines` continues after them.

        A line without a time has that of the line before it. Without any, it has that of the file.
        """
        self._open()
        end = os.fstat(self._handle).st_size if self._handle >= 0 else 0
        lines = _last_lines(self._handle, end, number) if end else []
        if end:
            os.lseek(self._handle, end, os.SEEK_SET)
        for each in count(1):
            older = numbered(self._path, each)
            if len(lines) >= number or not older.exists():
                break
            lines = read_last_lines(older, number - len(lines)) + lines
        return list(self._with_times(lines))

    def new_lines(self) -> Iterator[LogLine]:
        """Yield the lines that were completed since the last call."""
        while True:
            yield from self._read()
            if not self._is_rotated():
                return
            yield from self._read()  # what was written before the rotation
            yield from self._flush()
            self.close()
            self._open()
            if self._handle < 0:
                return

    def close(self) -> None:
        """Close the file."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _open(self) -> None:
        if self._handle < 0:
            with suppress(FileNotFoundError):
                self._handle = os.open(self._path, os.O_RDONLY)

    def _is_rotated(self) -> bool:
        """Return whether the log is another file now, or was cut to the start."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return False
        if self._handle < 0:
            return True
        if not os.path.samestat(found, os.fstat(self._handle)):
            return True
        return found.st_size < os.lseek(self._handle, 0, os.SEEK_CUR)

    def _read(self) -> Iterator[LogLine]:
        while self._handle >= 0 and (piece := os.read(self._handle, _PIECE)):
            *lines, self._rest = (self._rest + piece).split(b"\n")
            yield from (self._line(each) for each in lines)

    def _flush(self) -> Iterator[LogLine]:
        if self._rest:
            yield self._line(self._rest)
            self._rest = b""

    def _with_times(self, lines: list[bytes]) -> Iterator[tuple[datetime, LogLine]]:
        written = datetime.fromtimestamp(self._path.stat().st_mtime if lines else 0.0, UTC)
        times = [time_of(each, written) for each in lines]
        last = next((each for each in times if each), written)
        for line, stamp in zip(lines, times, strict=True):
            last = stamp or last
            yield last, self._line(line)

    def _line(self, line: bytes) -> LogLine:
        text = line.decode(errors="replace").rstrip("\r")
        return LogLine(self.role, printable(text, keep="\t"))


def time_of(line: bytes, written: datetime) -> datetime | None:
    """Return the time at the start of a line; None without one.

    Args:
        line: a line of a worker, of PostgreSQL, of Valkey or of the supervisor.
        written: the time of the last line of its log. The supervisor's lines have no date.
    """
    with suppress(ValueError):  # digits that are no time
        if found := _ISO.match(line):
            text = b" ".join(found.group(1, 2)).decode()
            fraction = float(f"0.{(found[3] or b'0').decode()}")
            return _aware(datetime.fromisoformat(text), fraction, is_utc=bool(found[4]))
        if found := _JSON.match(line):
            return datetime.fromisoformat(found[1].decode()).astimezone()
        if found := _VALKEY.match(line):
            stamp = datetime.strptime(found[1].decode(), "%d %b %Y %H:%M:%S")
            return _aware(stamp, int(found[2]) / 1000)
        if found := _CLOCK.match(line):
            day = written.astimezone()
            clock = datetime.strptime(found[1].decode(), "%H:%M:%S").time()
            stamp = _aware(datetime.combine(day.date(), clock))
            return stamp if stamp <= written + timedelta(minutes=1) else stamp - timedelta(days=1)
    return None


def _aware(stamp: datetime, fraction: float = 0.0, *, is_utc: bool = False) -> datetime:
    known = stamp.replace(tzinfo=UTC) if is_utc else stamp.astimezone()
    return known + timedelta(seconds=fraction)


def read_last_lines(path: Path, number: int) -> list[bytes]:
    """Return the last lines of a file without line ends; none if it cannot be read."""
    try:
        with path.open("rb") as file:
            return _last_lines(file.fileno(), os.fstat(file.fileno()).st_size, number)
    except OSError:
        return []


def _last_lines(handle: int, end: int, number: int) -> list[bytes]:
    """Return the last lines of a file before a position."""
    pieces: list[bytes] = []
    ends = 0
    while end > 0 and ends <= number:
        start = max(0, end - _PIECE)
        pieces.append(os.pread(handle, end - start, start))
        ends += pieces[-1].count(b"\n")
        end = start
    data = b"".join(reversed(pieces))
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    return lines[-number:] if number else []
