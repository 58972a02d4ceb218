"""Starts processes, tells later which of them are ours, and ends those and no others."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from cli.errors import StackError
from cli.servers.account import Account

Pause = Callable[[float], None]
"""Waits that many seconds; may raise to give up waiting."""

Escalation = Sequence[tuple[signal.Signals, float]]
"""Signals to send one after the other, each with the seconds to wait for the end after it."""

CLOCK_TOLERANCE = 2.0
"""Seconds by which a process's start may seem to move when the machine's clock is set."""

_PR_SET_PDEATHSIG = 1
_POLL = 0.02


class ProcessError(StackError):
    """A process could not be started, or ended when it should not have; the text says why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A process beyond doubt: pids come round again, the start of a process does not.

    Attributes:
        created: seconds since the epoch at which it started.
        mark: a path of ours that it was given; see `find_marked`.
    """

    pid: int
    created: float
    mark: str

    @classmethod
    def of(cls, pid: int, mark: str) -> "Identity":
        """Return the identity of a process that runs now.

        Raises:
            psutil.NoSuchProcess: there is none with that pid.
        """
        return cls(pid, psutil.Process(pid).create_time(), mark)

    def find(self) -> psutil.Process | None:
        """Return the process if it still runs, None if it has ended or the pid is another's."""
        found = find_marked(self.pid, self.mark)
        if found is None:
            return None
        with contextlib.suppress(psutil.Error):
            if abs(found.create_time() - self.created) <= CLOCK_TOLERANCE:
                return found
        return None


def find_marked(pid: int, mark: str) -> psutil.Process | None:
    """Return the live process `pid` if it is one that was given the path `mark`.

    The path, or one below it, is an argument of its, or it is its working directory, or the value
    of a variable of its environment.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        arguments = process.cmdline()
        if any(text == mark or text.startswith(f"{mark}/") for text in arguments):
            return process
        given = process.cwd() == mark or mark in process.environ().values()
    except (psutil.Error, OSError):
        return None
    return process if given else None


def spawn(  # noqa: PLR0913 - each is one trait of the new process
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str],
    cwd: Path | None = None,
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, its output appended to `log`.

    On Linux it is sent `death_signal` when this process dies, however it dies.

    Raises:
        ProcessError: the command cannot be run.
    """
    with open_log(log) as output:
        try:
            return subprocess.Popen(  # noqa: S603 - the commands are ours
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
                preexec_fn=_tie_to_parent(death_signal),  # noqa: PLW1509 - no threads here
                **(account.as_popen() if account else {}),
            )
        except (OSError, subprocess.SubprocessError) as error:
            who = f" as user {account.name}" if account else ""
            raise ProcessError(f"{command[0]} cannot be started{who}: {error}") from error


def open_log(path: Path) -> IO[bytes]:
    """Open a log for appending; only its owner may read it."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def read_tail(path: Path, lines: int = 15) -> str:
    """Return the last lines of a log, empty if there is none."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 400 * lines))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def end(
    process: subprocess.Popen[bytes], escalation: Escalation, pause: Pause = time.sleep
) -> None:
    """End a child of ours with one signal after the other, and reap it."""
    for number, seconds in escalation:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        if _wait(lambda: process.poll() is not None, seconds, pause):
            return


def end_strays(strays: Sequence[tuple[psutil.Process, Escalation]]) -> None:
    """End processes that an earlier, crashed run of ours left behind."""
    for process, escalation in strays:
        for number, seconds in escalation:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)
                process.wait(seconds)
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                break


def _wait(condition: Callable[[], bool], seconds: float, pause: Pause) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        pause(_POLL)
    return True


def _tie_to_parent(number: signal.Signals) -> Callable[[], None] | None:
    """Return what a child runs before its program so that it won't outlive this process."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return tie
