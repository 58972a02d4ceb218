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
from cli.stack.servers.account import Account

Pause = Callable[[float], None]
"""Waits that many seconds; may raise to give up waiting."""

CLOCK_TOLERANCE = 2.0
"""Seconds by which a process's start may seem to move when the machine's clock is set."""

_PR_SET_PDEATHSIG = 1


class ProcessError(StackError):
    """A process could not be started, or ended when it should not have; the text says why."""


class Child:
    """A process that this one started, the leader of a group of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid
        self.created = psutil.Process(process.pid).create_time()

    def poll(self) -> int | None:
        """Return the exit status once it has ended (a signal's number, negative), else None.

        What it started itself and left behind is killed then: it would hold its port, or work on
        beside the successor.
        """
        if self._process.returncode is None and self._has_ended():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        return self._process.poll()

    def runs(self) -> bool:
        """Say whether it has not ended yet."""
        return self.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs; SIGKILL goes to its whole group."""
        if not self.runs():
            return
        if number == signal.SIGKILL:
            os.killpg(self.pid, number)
        else:
            self._process.send_signal(number)

    def _has_ended(self) -> bool:
        """Look without reaping it: until then no other process can get its pid."""
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return self._process.poll() is not None
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        try:
            return os.waitid(os.P_PID, self.pid, flags) is not None
        except ChildProcessError:
            return True


@dataclass(frozen=True, slots=True)
class Identity:
    """A process beyond doubt: pids come round again, the start of a process does not.

    Attributes:
        created: seconds since the epoch at which it started.
        mark: a path of ours that it was given, see `find_marked`; empty for none.
    """

    pid: int
    created: float
    mark: str = ""

    def find(self) -> "Stray | None":
        """Return the process if it still runs, None if it has ended or the pid is another's."""
        found = find_marked(self.pid, self.mark)
        if found and abs(found.created - self.created) <= CLOCK_TOLERANCE:
            return found
        return None


class Stray:
    """A process of ours that is no child of this one: an earlier run started it."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self.pid = process.pid
        self.created = process.create_time()

    def runs(self) -> bool:
        """Say whether it has not ended yet."""
        try:
            return self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs.

        Raises:
            ProcessError: it is another user's.
        """
        try:
            self._process.send_signal(number)
        except psutil.NoSuchProcess:
            return
        except psutil.AccessDenied:
            user = self._process.username()
            raise ProcessError(f"process {self.pid} is {user}'s: ask {user} or root") from None


def find_marked(pid: int, mark: str) -> Stray | None:
    """Return the live process `pid` if it is one that was given the path `mark`.

    The path, or one below it, is an argument of its, or it is its working directory, or the value
    of a variable of its environment. An empty mark proves nothing and asks for nothing.
    """
    try:
        process = psutil.Process(pid)
        if not mark:
            return Stray(process)
        given = (*process.cmdline(), process.cwd(), *process.environ().values())
    except (psutil.Error, OSError):
        return None
    if any(text == mark or text.startswith(f"{mark}/") for text in given):
        return Stray(process)
    return None


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str],
    cwd: Path | None = None,
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
    files: Sequence[int] = (),
) -> Child:
    """Start a process in a session of its own, its output appended to `log`.

    On Linux it is sent `death_signal` when this process dies, however it dies. It inherits the open
    `files`, under the same numbers.

    Raises:
        ProcessError: the command cannot be run.
    """
    try:
        with open_log(log) as output:
            return Child(
                subprocess.Popen(  # noqa: S603 - the commands are ours
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=dict(env),
                    cwd=cwd,
                    start_new_session=True,
                    pass_fds=files,
                    preexec_fn=_tie_to_parent(death_signal),  # noqa: PLW1509 - no threads here
                    **(account.as_popen() if account else {}),
                )
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


def describe_exit(status: int) -> str:
    """Return an exit status of `Child.poll` as text: a signal's name, or a number."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def wait_until(condition: Callable[[], bool], seconds: float, pause: Pause = time.sleep) -> bool:
    """Wait until the condition holds; False if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        pause(0.02)
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
