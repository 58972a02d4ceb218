"""The journal of a run of `acoustid submit`: what is done, in memory and in a file to resume from.

The file has one JSON object per line. The first one names the input and the server. Each later one
records a batch that the server has received:

* `position`: all entries up to this one are done, that is accepted or refused;
* `digest`: the SHA-256 digest of all entries up to this one, so that another input is recognised;
* `submissions`: the name of each accepted entry and the id of its submission;
* `accepted`, `refused`: the number of entries of the batch.

A batch is recorded by one write after the reply of the server. A line that a crash has cut is
ignored, so the next run sends that batch again. The server recognises equal submissions.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from cli.commands.client.entries.entry import Item
from cli.commands.client.messages import counted
from cli.errors import StackError

FORMAT_KEY: Final = "acoustid_submit"
"""The key of the format's version, in the first line."""

FORMAT: Final = 1
"""The version of the file's format."""

_MALFORMED: Final = (
    ArithmeticError,  # the integer of an infinite number
    AttributeError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
)
"""Errors of a file that has not the form of a journal."""

_MAX_HEADER: Final = 65_536  # bytes; another file may have one long line


class Journal:
    """What a run has done, including the runs before it that used the same file.

    Attributes:
        position: all entries up to this one are done; 0 if none is.
        last: the name of the entry at `position`.
        accepted: the number of entries that the server accepted.
        refused: the number of entries that were refused.
        submissions: the ids of the accepted submissions, with the names of their entries.
        goes_on: whether an earlier run has done something.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.position = 0
        self.last = ""
        self.accepted = 0
        self.refused = 0
        self.submissions: dict[int, str] = {}
        self.goes_on = False
        self._path = path
        self._file: IO[bytes] | None = None
        self._digest = hashlib.sha256()
        self._replayed = 0
        self._expected = ""
        self._resumes_at = 0

    @classmethod
    def open(cls, path: Path | None, source: str, server: str) -> Self:
        """Open a file, which is created if it does not exist; without a path, keep all in memory.

        Args:
            path: the value of the option `--resume`.
            source: the name of the input.
            server: the name of the server.

        Raises:
            StackError: the file is damaged, is not a journal, belongs to another server, is used
                by another run, or cannot be written.
        """
        journal = cls(path)
        if path is not None:
            try:
                journal._open(path, source, server)
            except OSError as error:
                raise StackError(
                    f"{path} cannot be used: {error.strerror}. Give another file with --resume"
                ) from error
        return journal

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def is_done(self, position: int, identity: bytes) -> bool:
        """Return whether an earlier run has done an entry. Call it for all entries, in order.

        Raises:
            StackError: the entries so far are not those of the earlier run.
        """
        if position <= self._resumes_at:
            _update(self._digest, position, identity)
            self._replayed = position
            return True
        self.check_replayed()
        return False

    def check_replayed(self) -> None:
        """Check that the input has had all entries of the earlier run.

        Raises:
            StackError: it has not.
        """
        if self._resumes_at == 0:
            return
        if self._replayed != self._resumes_at or self._digest.hexdigest() != self._expected:
            raise StackError(
                f"{self._path} was written for another input: its first entries, up to "
                f"{self.last}, are not those of this one. Give the same input, or another file "
                "with --resume"
            )
        self._resumes_at = 0

    def advance(self, items: Iterable[Item], submissions: Mapping[int, str], accepted: int) -> None:
        """Record that entries are done.

        Args:
            items: all entries after the last call, in order, accepted or refused.
            submissions: the ids of the accepted submissions, with the names of their entries.
            accepted: the number of accepted entries.
        """
        done = list(items)
        if not done:
            return
        for item in done:
            _update(self._digest, item.position, item.identity)
        self.position, self.last = done[-1].position, done[-1].name
        self.accepted += accepted
        self.refused += len(done) - accepted
        self.submissions |= submissions
        self._write(
            {
                "position": self.position,
                "last": self.last,
                "digest": self._digest.hexdigest(),
                "accepted": accepted,
                "refused": len(done) - accepted,
                "submissions": [[name, number] for number, name in submissions.items()],
            }
        )

    def summary(self) -> str:
        """Return what is done, as a text of one line."""
        if not self.position:
            return "nothing was sent"
        return (
            f"done up to {self.last}: {self.accepted} accepted "
            f"({counted(len(self.submissions), 'submissions')}), {self.refused} refused"
        )

    def _open(self, path: Path, source: str, server: str) -> None:
        if path.exists() and not path.is_file():
            raise StackError(
                f"{path} is not a regular file, so it cannot record what is done: give another one "
                "with --resume"
            )
        # Not the mode "r+", which needs an existing file, nor "a", which cannot drop a cut line.
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(f"another run of `acoustid submit` uses {path}") from error
        first = self._file.readline(_MAX_HEADER)
        if not first:
            self._write({FORMAT_KEY: FORMAT, "input": source, "server": server})
            return
        try:
            self._check_header(path, json.loads(first), server)
            end = len(first)
            for line in self._file:
                if not line.endswith(b"\n"):  # a crash has cut it
                    break
                self._replay(json.loads(line))
                end += len(line)
        except _MALFORMED as error:
            raise _not_a_journal(path) from error
        self._file.seek(end)
        self._file.truncate()
        self._resumes_at = self.position
        self.goes_on = self.position > 0

    def _check_header(self, path: Path, header: Mapping[str, Any], server: str) -> None:
        if int(header[FORMAT_KEY]) > FORMAT:
            raise StackError(f"{path} is of a newer version of `acoustid submit`")
        if header["server"] != server:
            raise StackError(
                f"{path} was written for the server {header['server']}, not for {server}: give "
                "that server, or another file with --resume"
            )

    def _replay(self, batch: Mapping[str, Any]) -> None:
        self.position = int(batch["position"])
        self.last = str(batch["last"])
        self.accepted += int(batch["accepted"])
        self.refused += int(batch["refused"])
        self.submissions |= {int(number): str(name) for name, number in batch["submissions"]}
        self._expected = str(batch["digest"])

    def _write(self, record: Mapping[str, Any]) -> None:
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(record).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise StackError(f"{self._path} cannot be written: {error.strerror}") from error


def _update(digest: "hashlib._Hash", position: int, identity: bytes) -> None:
    digest.update(b"%d %d " % (position, len(identity)))
    digest.update(identity)


def _not_a_journal(path: Path) -> StackError:
    return StackError(
        f"{path} is damaged, or not a file that --resume has written: give another file. Without "
        "it, all lines are sent again; the server recognises equal submissions"
    )
