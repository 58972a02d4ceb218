"""Starts child processes and reads their logs."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import psutil

from cli.errors import StackError
from cli.stack.processes.system_account import SystemAccount

SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""A variable for processes that run ``python -m``. Otherwise Python would prefer a module of the
same name in the working directory, such as a user's ``tasks.py``."""

_PR_SET_PDEATHSIG = 1


class ProcessError(StackError):
    """A process could not be started or ended unexpectedly. The text gives the reason."""


@dataclass(frozen=True, slots=True)
class LogPipe:
    """The pipe to a log that another process writes (`cli.stack.logs`).

    Attributes:
        path: the path of the log.
        descriptor: the writing end of the pipe.
        flush: waits until the output so far is in the log.
    """

    path: Path
    descriptor: int
    flush: Callable[[], None]


class StartedProcess(Protocol):
    """A started process, such as `subprocess.Popen`.

    Attributes:
        pid: its process id.
        returncode: the exit status that `poll` has returned; None before.
    """

    pid: int
    returncode: int | None

    def poll(self) -> int | None:
        """Return the exit status if the process has ended, else None. A signal is negative."""

    def send_signal(self, number: int, /) -> None:
        """Send a signal if the process has not ended."""


class ChildProcess:
    """A process that this one started. It is the leader of its own process group."""

    def __init__(self, process: StartedProcess) -> None:
        self._process = process
        self.pid = process.pid
        self.created = psutil.Process(process.pid).create_time()

    def poll(self) -> int | None:
        """Return the exit status if the process has ended, else None. A signal is negative.

        When it has ended, the rest of its process group is killed. Otherwise those processes would
        keep its port, or run at the same time as the next process.
        """
        if self._process.returncode is None and self._has_ended():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        return self._process.poll()

    def runs(self) -> bool:
        """Return whether the process still runs."""
        return self.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal if the process still runs. SIGKILL is sent to its whole group."""
        if not self.runs():
            return
        if number == signal.SIGKILL:
            os.killpg(self.pid, number)
        else:
            self._process.send_signal(number)

    def _has_ended(self) -> bool:
        """Return whether the process has ended, without reaping it: its pid is not reused yet."""
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return self._process.poll() is not None
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        try:
            return os.waitid(os.P_PID, self.pid, flags) is not None
        except ChildProcessError:
            return True


def spawn(  # noqa: PLR0913 - those of `subprocess.Popen`
    command: Sequence[str],
    *,
    log: Path | LogPipe,
    env: Mapping[str, str],
    cwd: Path | None = None,
    account: SystemAccount | None = None,
    death_signal: signal.Signals | None = signal.SIGTERM,
    files: Sequence[int] = (),
    stdin: int = subprocess.DEVNULL,
) -> ChildProcess:
    """Start a process in a session of its own.

    Args:
        command: the program and its arguments.
        log: the file to which stdout and stderr are appended, or the pipe to it.
        env: the environment.
        cwd: the working directory; None for the current one.
        account: the user account of the process; None for the current one.
        death_signal: the signal that the process gets when this process dies (Linux only); None
            for no signal.
        files: open file descriptors that the process inherits under the same numbers.
        stdin: the file descriptor of its standard input.

    Raises:
        ProcessError: the command cannot be run.
    """
    try:
        with _output(log) as output:
            return ChildProcess(
                subprocess.Popen(  # noqa: S603 - the commands are ours
                    command,
                    stdin=stdin,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=dict(env),
                    cwd=cwd,
                    start_new_session=True,
                    pass_fds=files,
                    preexec_fn=end_with_parent(death_signal),  # noqa: PLW1509 - no threads here
                    **(account.popen_arguments() if account else {}),
                )
            )
    except (OSError, subprocess.SubprocessError) as error:
        user = f" as user {account.name}" if account else ""
        raise ProcessError(f"{command[0]} cannot be started{user}: {error}") from error


def open_log(path: Path) -> IO[bytes]:
    """Open a log for appending. Only its owner can read it."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


@contextlib.contextmanager
def _output(log: Path | LogPipe) -> Iterator[int]:
    """Yield the file descriptor for the output of a process."""
    if isinstance(log, LogPipe):
        yield log.descriptor
    else:
        with open_log(log) as file:
            yield file.fileno()


def read_tail(log: Path | LogPipe, lines: int = 15) -> str:
    """Return the last lines of a log; an empty text if there is no log."""
    if isinstance(log, LogPipe):
        log.flush()
    path = log.path if isinstance(log, LogPipe) else log
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 400 * lines))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def describe_exit(status: int) -> str:
    """Return an exit status of `ChildProcess.poll` as text: the name of a signal, or a number."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def end_with_parent(number: signal.Signals | None) -> Callable[[], None] | None:
    """Return a function for the child that makes it end with its parent; None if unsupported."""
    if sys.platform != "linux" or number is None:
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def follow_parent() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the call of prctl
            os._exit(1)

    return follow_parent
