"""Runs ``pg_restore`` on a dump that this process reads and checks."""

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import IO, Final

from cli.backup.manifest import BackupManifest
from cli.backup.opened import OpenedBackup
from cli.backup.programs import connection_text, find_program, program_environment
from cli.errors import StackError
from cli.stack.processes.child_process import end_with_parent
from pipeline.settings.sections import DatabaseSettings

PROGRAM: Final = "pg_restore"

APPLICATION: Final = "acoustid-restore"
"""The name of its connections that PostgreSQL shows."""

_OPTIONS: Final = ("--no-owner", "--no-privileges", "--exit-on-error")
"""The user that restores owns everything. `deploy/postgres/roles.sql` has given other roles their
rights to all that this user creates."""

_SHOWN_LINES: Final = 5

_STATEMENT_MEMORY: Final = "-c maintenance_work_mem=256MB"
"""Memory of each process of the server that builds an index; its default is for a small server."""

Advance = Callable[[int], object]
"""Called with a number of bytes."""


def find_pg_restore(manifest: BackupManifest, directory: Path | None) -> Path:
    """Return the path of a ``pg_restore`` that can read the dumps of a backup.

    Args:
        manifest: the manifest of the backup.
        directory: the directory of PostgreSQL's programs; None to search for one.

    Raises:
        BinariesError: there is none, or it is older than the ``pg_dump`` of the backup.
    """
    needed = max(each.dumped_by for each in manifest.dumps)
    return find_program(PROGRAM, needed, directory).path


@dataclass(frozen=True, slots=True)
class Dump:
    """A dump and the program that restores it.

    Attributes:
        program: the path of ``pg_restore``.
        backup: the backup.
        file: the member with the dump.
    """

    program: Path
    backup: OpenedBackup
    file: str

    def read_through(self, advance: Advance) -> None:
        """Check size and checksum, and let ``pg_restore`` read the dump without a database.

        Raises:
            StackError: ``pg_restore`` cannot read it.
            BackupDamagedError, OSError: as by `OpenedBackup.copy`.
        """
        self._feed([f"--file={os.devnull}"], None, advance)

    def restore_rows(self, database: DatabaseSettings, advance: Advance) -> None:
        """Create the tables in an empty database and fill them.

        Raises:
            StackError: a statement failed.
            BackupDamagedError, OSError: as by `OpenedBackup.copy`.
        """
        self._feed(["--section=pre-data", "--section=data", *_OPTIONS], database, advance)

    def restore_indexes(self, database: DatabaseSettings, jobs: int) -> None:
        """Create indexes, constraints and triggers after `restore_rows`.

        Args:
            database: the database.
            jobs: number of connections. A dump in a tar file is restored by one.

        Raises:
            StackError: a statement failed.
            BackupDamagedError, OSError: as by `OpenedBackup.copy`.
        """
        arguments = ["--section=post-data", *_OPTIONS]
        path = self.backup.file(self.file)
        if path is None:
            self._feed(arguments, database, lambda _size: None)
            return
        with self._running([*arguments, f"--jobs={jobs}", str(path)], database):
            pass

    def _feed(
        self, arguments: Sequence[str], database: DatabaseSettings | None, advance: Advance
    ) -> None:
        """Run the program with the dump as its input."""
        with self._running(arguments, database) as pipe:

            def write(part: bytes) -> None:
                with suppress(BrokenPipeError):  # it has read what it needs, or has failed
                    pipe.write(part)
                advance(len(part))

            self.backup.copy(self.file, write)

    @contextmanager
    def _running(
        self, arguments: Sequence[str], database: DatabaseSettings | None
    ) -> Iterator[IO[bytes]]:
        """Run the program during the block; yield its input. Check its status afterwards."""
        target = [] if database is None else [f"--dbname={connection_text(database, APPLICATION)}"]
        with tempfile.TemporaryFile() as messages:
            process = subprocess.Popen(  # noqa: S603 - PostgreSQL's own program
                [str(self.program), *target, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=messages,
                env=_environment(database),
                bufsize=0,
                start_new_session=True,
                preexec_fn=end_with_parent(Signals.SIGTERM),  # noqa: PLW1509 - no threads here
            )
            try:
                with process:
                    assert process.stdin is not None  # noqa: S101 - it is a pipe
                    yield process.stdin
            except BaseException:
                process.kill()
                raise
            if process.returncode:
                messages.seek(0)
                raise StackError(f"{self.file} was not restored: {_explain(messages.read())}")


def _environment(database: DatabaseSettings | None) -> dict[str, str]:
    """Return the environment of the program, with the password of the database."""
    if database is None:
        return {**os.environ, "LC_ALL": "C"}
    return {**program_environment(database), "PGOPTIONS": _STATEMENT_MEMORY}


def _explain(output: bytes) -> str:
    """Return the program's own lines, without details that contain rows, such as keys."""
    lines = output.decode(errors="replace").splitlines()
    shown = [line for line in lines if re.match(rf"{PROGRAM}: (error|detail|hint)", line)]
    return " ".join(shown[-_SHOWN_LINES:]) or "pg_restore failed"
