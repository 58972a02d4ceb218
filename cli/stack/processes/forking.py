"""Calls a function in a fork of this process, so that it finds its imports loaded.

The effect is that of a program that calls the function, with two differences: the process shares
the memory of the loaded modules, and it runs the code that was loaded. The forked process keeps no
signal handler and no environment variable of this one. It keeps the given file descriptors only.
"""

import ctypes
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

import setproctitle

from cli.stack.processes.child_process import (
    ChildProcess,
    LogPipe,
    ProcessError,
    end_with_parent,
)
from cli.stack.processes.programs import Program

IS_SUPPORTED: Final = sys.platform == "linux"
"""Whether processes fork. Libraries of other systems may not work in a fork."""


class _Fork:
    """A forked process; the part of `subprocess.Popen` that `ChildProcess` uses."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit status if the process has ended, else None. A signal is negative."""
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self.returncode = 0  # as `subprocess.Popen`: the status is lost
            else:
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal if the process has not ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def fork(
    program: Program,
    *,
    title: str,
    log: LogPipe,
    env: Mapping[str, str],
    cwd: Path | None = None,
    files: Sequence[int] = (),
) -> ChildProcess:
    """Run a program in a fork, in a session of its own.

    It gets SIGTERM when this process dies. This process must have one thread.

    Args:
        program: the program.
        title: the command line that `ps` shows until the program sets its own.
        log: the pipe for stdout and stderr.
        env: the environment.
        cwd: the working directory; None for the current one.
        files: open file descriptors that the process keeps under the same numbers, above 2.

    Raises:
        ProcessError: the system cannot fork.
    """
    follow_parent = end_with_parent(signal.SIGTERM)
    _flush()
    # A signal between the fork and the reset of the handlers would be lost in the new process.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _run(program, title, log.descriptor, env, cwd or Path(), files, follow_parent)
    except OSError as error:
        raise ProcessError(f"{title} cannot be started: {error}") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return ChildProcess(_Fork(pid))


def _run(
    program: Program,
    title: str,
    output: int,
    env: Mapping[str, str],
    cwd: Path,
    files: Sequence[int],
    follow_parent: Callable[[], None] | None,
) -> NoReturn:
    """Become the new process: never return into the frames of the parent."""
    status = 1
    try:
        os.setsid()
        if follow_parent is not None:
            follow_parent()
        _keep_only(output, files)
        _open_streams()
        _reset_signals()
        # It finds the memory of the title by the environment of the parent, which is removed next.
        setproctitle.setproctitle(title)
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        sys.argv = list(program.arguments)
        program.main()
        status = 0
    except SystemExit as stop:
        status = _exit_status(stop)
    except BaseException:  # noqa: BLE001 - as the interpreter does at the end of a program
        traceback.print_exc()
    finally:
        _exit(status)


def _exit(status: int) -> NoReturn:
    """End the process as the interpreter ends a program: join threads, run exit handlers, flush.

    An exception would unwind the frames of the parent first, so the new process would stop the
    stack. `os._exit` runs no exit handlers, such as those that delete temporary directories.
    """
    try:
        ctypes.pythonapi.Py_Exit(status)
    finally:
        os._exit(status)


def _keep_only(output: int, files: Sequence[int]) -> None:
    """Redirect the standard streams; close the file descriptors that are not in a list.

    One of them holds the lock of the stack.
    """
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    end = most if most != resource.RLIM_INFINITY else 2**20
    first = 3
    for kept in sorted(files):
        os.closerange(first, kept)
        first = kept + 1
    os.closerange(first, end)


def _open_streams() -> None:
    """Replace the standard streams of Python, whose state is that of the parent's files."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = os.fdopen(
            descriptor,
            "w",
            encoding="utf-8",
            errors="backslashreplace",
            buffering=1,
            closefd=False,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _exit_status(stop: SystemExit) -> int:
    """Return the exit status as the interpreter does; print a text to stderr."""
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code & 0xFF
    print(stop.code, file=sys.stderr)  # noqa: T201
    return 1


def _flush() -> None:
    """Write the buffered output; a stream is None if its file descriptor was closed."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # such as a closed terminal
            if stream is not None:
                stream.flush()
