"""Runs ``pg_dump`` on a snapshot and passes its output on, part by part.

The output goes through a pipe, so a dump ends when this process is killed, a full disk is noticed
here, and the checksum needs no second read.
"""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Final

from cli.backup.programs import Program, connection_text, program_environment
from cli.backup.snapshots import Snapshot
from cli.errors import StackError
from pipeline.catalog.musicbrainz.dump.schemas import NEW, OLD

PART: Final = 2**18
"""Bytes that are passed on at once."""

COMPRESSION: Final = 1
"""The level of gzip. Fingerprints have few repetitions, so higher levels only take longer."""

LOCK_WAIT: Final = 60
"""Seconds to wait for a table that a migration changes."""

_LARGEST_TEXT: Final = 2**16
_STOP_TIME: Final = 10.0


def dump(
    program: Program, snapshot: Snapshot, application: str, write: Callable[[bytes], object]
) -> None:
    """Write the dump of a database in the custom format of ``pg_dump``.

    Args:
        program: ``pg_dump``, at least of the version of the server.
        snapshot: the snapshot to dump.
        application: the name of the connection that PostgreSQL shows.
        write: called with each part of the dump.

    Raises:
        StackError: ``pg_dump`` failed; the text has its message.
        OSError: from `write`; ``pg_dump`` is ended.
    """
    database = snapshot.source.settings
    command = [
        str(program.path),
        *("--format=custom", f"--compress={COMPRESSION}", "--no-password"),
        *(f"--lock-wait-timeout={LOCK_WAIT}s", f"--snapshot={snapshot.name}"),
        # The tables of a load of MusicBrainz, which may be dropped at any time.
        *(f"--exclude-schema={each}" for each in (NEW, OLD)),
        f"--dbname={connection_text(database, application)}",
    ]
    with subprocess.Popen(  # noqa: S603 - PostgreSQL's own program, or that of the user's folder
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=program_environment(database),
        cwd="/",
    ) as process:
        assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018
        with _Messages(process.stderr) as messages, _ended_after_errors(process):
            while part := process.stdout.read(PART):
                write(part)
    if process.returncode != 0:
        raise StackError(f"pg_dump of the database {database.name} failed: {messages.text()}")


@contextmanager
def _ended_after_errors(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        process.terminate()
        try:
            process.wait(_STOP_TIME)
        except subprocess.TimeoutExpired:
            process.kill()
        raise


class _Messages:
    """Reads what a process writes to standard error, so that it never waits for a reader."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._found = b""
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> "_Messages":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._thread.join()

    def text(self) -> str:
        """Return the messages in one line, without the name of the program."""
        lines = self._found.decode(errors="replace").splitlines()
        found = [each.removeprefix("pg_dump: ").removeprefix("error: ") for each in lines]
        return "; ".join(each.strip() for each in found if each.strip()) or "it gave no reason"

    def _read(self) -> None:
        while part := self._stream.read(PART):
            self._found = (self._found + part)[-_LARGEST_TEXT:]
