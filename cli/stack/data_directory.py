"""The data directory of a stack: what lies where, and the lock that keeps a second stack out."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click

from cli.errors import StackError
from cli.stack.processes import wait_until

DEFAULT = Path(".acoustid")
LOG_LIMIT = 16 * 1024 * 1024
"""Bytes beyond which a log is set aside when its process starts again."""

LOCK_PATIENCE = 0.5
"""Seconds to wait for the lock before it counts as a stack's."""


class AlreadyRunningError(StackError):
    """Another supervisor holds the data directory."""


@dataclass(frozen=True, slots=True)
class DataDir:
    """A stack's directory; everything of the stack is in it.

    Attributes:
        root: its absolute path, without symbolic links.
    """

    root: Path

    @classmethod
    def at(cls, path: Path) -> "DataDir":
        """Return the data directory at a path, which need not exist."""
        return cls(path.resolve())

    @property
    def config(self) -> Path:
        """The effective configuration, which the stack's processes read."""
        return self.root / "acoustid.conf"

    @property
    def record(self) -> Path:
        """Passwords and ports that stay the same from run to run."""
        return self.root / "stack.json"

    @property
    def run(self) -> Path:
        """What runs now."""
        return self.root / "run.json"

    @property
    def prepared(self) -> Path:
        """What the preparation of the databases found or made: the demo keys."""
        return self.root / "prepared.json"

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
    def valkey(self) -> Path:
        """Valkey's own directory."""
        return self.root / "valkey"

    def log(self, role: str) -> Path:
        """Return where a process's output goes."""
        return self.root / "logs" / f"{role}.log"

    def create(self) -> None:
        """Create what is missing; directories that exist keep their modes.

        Raises:
            StackError: it cannot be created, or not be written to.
        """
        try:
            if not self.root.exists():
                self.root.mkdir(parents=True)
                # Root's PostgreSQL runs as another user, who must pass through.
                self.root.chmod(0o711 if os.geteuid() == 0 else 0o700)
            (self.root / "logs").mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StackError(f"{self.root} cannot be used: {error.strerror}") from error
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise StackError(f"{self.root} is not yours to write to: choose another --data-dir")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the directory until the exit; the lock ends with the process, however it ends.

        Raises:
            AlreadyRunningError: another process holds it.
        """
        handle = self._open_lock()
        try:
            # Whoever only looks (`is_locked`) holds it for a moment.
            if not wait_until(lambda: _take(handle), LOCK_PATIENCE):
                raise AlreadyRunningError(
                    f"a stack runs on {self.root} already: see `acoustid status`, or end it with "
                    f"`acoustid down --data-dir {self.root}`"
                )
            yield
        finally:
            os.close(handle)

    def is_locked(self) -> bool:
        """Say whether a supervisor holds the directory now.

        Raises:
            StackError: this user may not know.
        """
        try:
            handle = self._open_lock()
        except FileNotFoundError:
            return False
        except PermissionError as error:
            raise StackError(f"{self.root} is another user's") from error
        try:
            return not _take(handle)
        finally:
            os.close(handle)

    def _open_lock(self) -> int:
        return os.open(self.root / "run.lock", os.O_RDWR | os.O_CREAT, 0o600)

    def set_aside_log(self, role: str) -> None:
        """Rename a log that has grown too long."""
        log = self.log(role)
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))


def _take(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def option(function: click.decorators.FC) -> click.decorators.FC:
    """Add ``--data-dir`` to a command."""
    return click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        default=DEFAULT,
        show_default=True,
        help="Directory of the stack: databases, index, logs, secrets.",
    )(function)


def write_private(path: Path, text: str) -> None:
    """Replace a file at once by one that only its owner can read."""
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(partial).unlink()
        raise
