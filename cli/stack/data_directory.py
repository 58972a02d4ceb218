"""The data directory of a stack: its files, and the lock that prevents a second stack."""

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from cli.errors import StackError
from cli.file_name import DirectoryName
from cli.stack.files import private_modes
from cli.stack.files.lock_file import LockFile
from cli.stack.processes.waiting import wait_until
from cli.stack.requirements.usable_path import usable_path

DEFAULT = Path(".acoustid")
CONFIG_VARIABLE = "ACOUSTID_CONFIG"
"""The variable that names the file with the settings."""

_ENTRIES: Final = (
    r"(acoustid\.conf|stack\.json|run\.json|run\.lock|prepared\.json|restore\.json|restored\.conf"
    r"|demo-lookup\.txt|postgres\.place|index|fingerprints|sketch|valkey|logs|machine-code)"
)
_ENTRY: Final = re.compile(rf"{_ENTRIES}(\.damaged-.*)?|\.{_ENTRIES}-\w+")
"""The files of a data directory, those set aside, and partly written ones."""

_OTHER_ENTRY: Final = re.compile(r"postgres(\.new)?|programs[-.].*|secrets|tls")
"""Further files: PostgreSQL's own, those of `make secrets` and of the TLS proxy.

Their modes are not changed.
"""

LOCK_TIMEOUT = 0.5
"""Seconds to wait for the lock. `DataDir.is_locked` holds it for a shorter time."""


class AlreadyRunningError(StackError):
    """Another supervisor holds the lock of the data directory."""


@dataclass(frozen=True, slots=True)
class DataDir:
    """The directory with all files of a stack.

    Attributes:
        root: its absolute path, without symbolic links.
    """

    root: Path

    @classmethod
    def at(cls, path: Path) -> "DataDir":
        """Return the data directory at a path, which need not exist.

        Raises:
            StackError: the files of a stack cannot contain the path.
        """
        return cls(usable_path(path))

    @property
    def config(self) -> Path:
        """The effective configuration, read by the processes of the stack."""
        return self.root / "acoustid.conf"

    @property
    def record(self) -> Path:
        """The passwords and ports of the stack. Later runs reuse them."""
        return self.root / "stack.json"

    @property
    def run(self) -> Path:
        """The processes that run now."""
        return self.root / "run.json"

    @property
    def prepared(self) -> Path:
        """The demo keys that the preparation of the databases has created."""
        return self.root / "prepared.json"

    @property
    def restore(self) -> Path:
        """The restore of a backup that has not ended."""
        return self.root / "restore.json"

    @property
    def restored_config(self) -> Path:
        """The options that were set for the stack whose backup was restored here."""
        return self.root / "restored.conf"

    @property
    def demo_lookup(self) -> Path:
        """The body of a lookup that finds a recording of the sample catalogue."""
        return self.root / "demo-lookup.txt"

    @property
    def index(self) -> Path:
        """The inverted index."""
        return self.root / "index"

    @property
    def store(self) -> Path:
        """The fingerprint store."""
        return self.root / "fingerprints"

    @property
    def sketch(self) -> Path:
        """The sketch index."""
        return self.root / "sketch"

    @property
    def machine_code(self) -> Path:
        """The machine code of the loops, if no other folder can be written to."""
        return self.root / "machine-code"

    @property
    def valkey(self) -> Path:
        """The data of Valkey."""
        return self.root / "valkey"

    def log(self, role: str) -> Path:
        """Return the log of a role."""
        return self.root / "logs" / f"{role}.log"

    def create(self) -> None:
        """Create missing directories, and remove other users' rights to the existing ones.

        The mode of `root` stays if it has other files too: it may be a home or the root directory.

        Raises:
            StackError: a directory cannot be created or written to.
        """
        try:
            if not self.root.exists():
                self.root.mkdir(mode=0o700, parents=True)
                self.root.chmod(private_modes.top_mode())
            (self.root / "logs").mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StackError(f"{self.root} cannot be used: {error.strerror}") from error
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise StackError(f"{self.root} cannot be written to: choose another --data-dir")
        try:
            private_modes.restrict_directory(self.root, _ENTRY, others=_OTHER_ENTRY)
        except OSError as error:
            raise StackError(
                f"the modes of the files in {self.root} cannot be changed: {error.strerror}"
            ) from error

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock during a block. It is also released if the process is killed.

        The lock file contains the pid of its holder.

        Raises:
            AlreadyRunningError: another process holds it.
            StackError: its file cannot be opened, or is no lock file.
        """
        lock = LockFile(self.lock_file, create=True)
        try:
            self._hold(lock)
            yield
        finally:
            lock.close()

    def _hold(self, lock: LockFile) -> None:
        try:
            if wait_until(lock.take, LOCK_TIMEOUT):
                lock.write_pid()
                return
        except OSError as error:
            raise StackError(f"{self.lock_file} cannot be opened: {error.strerror}") from error
        raise AlreadyRunningError(self.already_running(lock.pid()))

    def already_running(self, pid: int | None) -> str:
        """Return the text of the error that a stack runs on the directory already."""
        return (
            f"a stack runs on {self.root} already{f' (pid {pid})' if pid else ''}: see "
            "`acoustid status`, or stop it with "
            f"`acoustid down --data-dir {shlex.quote(str(self.root))}`"
        )

    def is_locked(self) -> bool:
        """Return whether a supervisor holds the lock now.

        Raises:
            StackError: the directory belongs to another user, or the file is no lock file.
        """
        return self._examine_lock()[0]

    def lock_holder(self) -> int | None:
        """Return the pid of the supervisor that holds the lock; None if none holds it.

        Raises:
            StackError: as by `is_locked`.
        """
        return self._examine_lock()[1]

    def _examine_lock(self) -> tuple[bool, int | None]:
        """Return whether the lock is held, and the pid of its holder."""
        lock = LockFile(self.lock_file, create=False)
        try:
            return (False, None) if lock.is_free() else (True, lock.pid())
        except (FileNotFoundError, NotADirectoryError):
            return False, None
        except PermissionError as error:
            raise StackError(f"{self.root} belongs to another user") from error
        except OSError as error:
            raise StackError(f"{self.lock_file} cannot be opened: {error.strerror}") from error
        finally:
            lock.close()

    @property
    def lock_file(self) -> Path:
        """The file whose lock the supervisor holds."""
        return self.root / "run.lock"


def option(function: click.decorators.FC) -> click.decorators.FC:
    """Add ``--data-dir`` to a command."""
    return click.option(
        "--data-dir",
        type=DirectoryName(),
        default=DEFAULT,
        show_default=True,
        help="Directory of the stack: databases, index, logs, secrets.",
    )(function)
