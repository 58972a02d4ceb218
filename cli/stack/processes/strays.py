"""Finds running processes of an earlier run of a stack, by pid, start time and path."""

from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Final

import psutil

from cli.stack.processes.child_process import ProcessError

CELERY_TITLE = "[celery"
"""Start of the command line of a worker or beat. Celery overwrites arguments and environment."""

CLOCK_TOLERANCE = 2.0
"""Maximum change in seconds of a process's start time when the system clock is set."""

_NO_PROCESS: Final = (psutil.Error, OSError, ValueError, OverflowError)
"""Raised if there is no such process. A damaged file may have a pid that cannot exist."""


class StrayProcess:
    """A running process of a stack that is not a child of this process."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self.pid = process.pid
        self.created = process.create_time()

    def runs(self) -> bool:
        """Return whether the process still runs."""
        try:
            return self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def send(self, number: Signals) -> None:
        """Send a signal to the process if it still runs.

        Raises:
            ProcessError: the process belongs to another user.
        """
        try:
            self._process.send_signal(number)
        except psutil.NoSuchProcess:
            return
        except psutil.AccessDenied:
            user = self._process.username()
            raise ProcessError(
                f"process {self.pid} belongs to user {user}: only {user} or root can stop it"
            ) from None


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """Identifies a process by pid and start time, since a pid may be reused.

    Attributes:
        pid: its process id.
        created: its start time, in seconds since the epoch.
        mark: a path of the stack that the process uses (`find_by_path`); empty for none.
    """

    pid: int
    created: float
    mark: str = ""

    def find(self) -> StrayProcess | None:
        """Return the process if it still runs, else None."""
        found = find_by_path(self.pid, self.mark) or _find_by_title(self.pid)
        if found and found.runs() and abs(found.created - self.created) <= CLOCK_TOLERANCE:
            return found
        return None

    def is_below(self, folder: Path) -> bool:
        """Return whether the mark is a path in a directory."""
        return Path(self.mark).is_relative_to(folder)


def find_by_path(pid: int, path: str) -> StrayProcess | None:
    """Return the running process `pid` if it uses `path` or a path below it, else None.

    The path may be an argument, the working directory or the value of an environment variable. With
    an empty path, any running process `pid` is returned.
    """
    try:
        process = psutil.Process(pid)
        if not path:
            return StrayProcess(process)
        given = (*process.cmdline(), process.cwd(), *process.environ().values())
    except _NO_PROCESS:
        return None
    if any(text == path or text.startswith(f"{path}/") for text in given):
        return StrayProcess(process)
    return None


def _find_by_title(pid: int) -> StrayProcess | None:
    """Return the running process `pid` if it is a process of Celery, else None."""
    try:
        process = psutil.Process(pid)
        is_celery = process.cmdline()[:1] and process.cmdline()[0].startswith(CELERY_TITLE)
    except _NO_PROCESS:
        return None
    return StrayProcess(process) if is_celery else None
