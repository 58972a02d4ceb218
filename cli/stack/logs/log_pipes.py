"""The supervisor's side of the logs: one pipe for each log, and the log writer.

The supervisor keeps both ends of each pipe open. So a process that is started again uses the same
pipe. When the log writer ends, the pipe keeps the output for the next one.
"""

import fcntl
import math
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from signal import Signals
from typing import Final

from cli.stack.data_directory import DataDir
from cli.stack.logs.rotated_file import RotatedFile
from cli.stack.logs.writer import ADD, DONE, FLUSH
from cli.stack.processes.child_process import (
    SAFE_PATH,
    ChildProcess,
    LogPipe,
    ProcessError,
    describe_exit,
    spawn,
)
from cli.stack.processes.waiting import wait_until
from cli.stack.servers.libpq_variables import LIBPQ_PREFIX
from pipeline.settings.option_names import PREFIX
from pipeline.settings.sections import LoggingSettings

NAME: Final = "log-writer"
"""The name of the log writer's own log, which has only its errors."""

WRITER_MODULE: Final = "cli.stack.logs.writer"

RESTART_DELAY: Final = 1.0
"""Minimum seconds between two starts of the log writer."""

_SETTINGS: Final = (PREFIX, LIBPQ_PREFIX)
"""Prefixes of variables with settings."""

_PIPE_SIZE: Final = 2**20
TIMEOUT: Final = 30.0
"""Seconds within which the log writer must answer, its start included."""

_CLOSE_TIMEOUT: Final = 5.0


class LogPipes:
    """The pipes through which the processes of a stack write their logs.

    Args:
        data: the stack's data directory.
        settings: size and number of the files.
        report: called with a line of text when the log writer ends.
    """

    def __init__(
        self,
        data: DataDir,
        settings: LoggingSettings,
        report: Callable[[str], None],
    ) -> None:
        self._data = data
        self._settings = settings
        self._report = report
        self._pipes: dict[str, tuple[int, int]] = {}
        self._control: socket.socket | None = None
        self._writer: ChildProcess | None = None
        self._next_start = 0.0

    def start(self) -> None:
        """Start the log writer.

        Raises:
            ProcessError: it cannot be started.
        """
        self._next_start = time.monotonic() + RESTART_DELAY
        self._rotate_errors()
        ours, theirs = socket.socketpair()
        with theirs:
            self._writer = spawn(
                [
                    *(sys.executable, "-m", WRITER_MODULE),
                    *("--folder", str(self._data.log(NAME).parent)),
                    *("--control", str(theirs.fileno())),
                    *("--size", str(self._settings.file_size)),
                    *("--old-files", str(self._settings.old_files)),
                ],
                log=self._data.log(NAME),
                env={**_without_settings(), **SAFE_PATH},
                death_signal=None,
                files=[theirs.fileno()],
            )
        ours.settimeout(TIMEOUT)
        self._control = ours
        for name in self._pipes:
            self._add(name)

    def pipe(self, name: str) -> LogPipe:
        """Return the pipe to a log."""
        if name not in self._pipes:
            self._pipes[name] = os.pipe()
            writing = self._pipes[name][1]
            if hasattr(fcntl, "F_SETPIPE_SZ"):
                with suppress(OSError):  # above the limit of the user
                    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
            self._add(name)
        return LogPipe(self._data.log(name), self._pipes[name][1], self.flush)

    def flush(self) -> None:
        """Wait until the output so far is in the logs, or until the log writer does not answer."""
        self._send(FLUSH)

    def restart_ended(self) -> None:
        """Start the log writer again if it has ended, after a delay."""
        status = self._writer.poll() if self._writer else None
        if self._writer is not None and status is None:
            return
        if status is not None:
            self._report(f"the log writer ended ({describe_exit(status)}), it starts again")
            self._writer = None
            self._disconnect()
        if time.monotonic() >= self._next_start:
            try:
                self.start()
            except ProcessError as error:
                self._report(f"{error}, next attempt in {RESTART_DELAY:g} s")

    def seconds_until_start(self) -> float:
        """Return the seconds until the next start of the log writer; infinite while it runs."""
        return math.inf if self._writer else self._next_start - time.monotonic()

    def close(self) -> None:
        """Close the pipes, and wait for the log writer.

        It continues while another process has a pipe open.
        """
        self._disconnect()
        for ends in self._pipes.values():
            for end in ends:
                os.close(end)
        self._pipes.clear()
        if self._writer is not None:
            writer = self._writer
            wait_until(lambda: not writer.runs(), _CLOSE_TIMEOUT)

    def _rotate_errors(self) -> None:
        """Rotate the log writer's own log, to which no process writes now."""
        file = RotatedFile(self._data.log(NAME), self._settings.file_size, self._settings.old_files)
        with suppress(OSError):  # `spawn` reports that the log cannot be opened
            file.rotate_if_full()
        file.close()

    def _add(self, name: str) -> None:
        self._send(ADD + name.encode() + b"\n", self._pipes[name][0])

    def _send(self, message: bytes, *descriptors: int) -> None:
        """Send a message and wait for the reply. The next log writer gets all pipes.

        If the log writer does not reply, it is killed, and `restart_ended` replaces it.
        """
        if self._control is None:
            return
        try:
            socket.send_fds(self._control, [message], descriptors)
            if self._control.recv(len(DONE)) == DONE:
                return
        except OSError:  # also a timeout
            pass
        self._disconnect()
        if self._writer is not None:
            self._writer.send(Signals.SIGKILL)

    def _disconnect(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None


def _without_settings() -> dict[str, str]:
    """Return the environment without settings: the log writer needs none, and some are secret."""
    return {name: text for name, text in os.environ.items() if not name.startswith(_SETTINGS)}
