"""Reports every few seconds what the supervisor waits for: a process, and the end of its log."""

import sys
import time
from collections.abc import Callable
from typing import Final

from cli.progress import INTERVAL, QUIET_INTERVAL, Progress
from cli.stack.processes.child_process import LogPipe, read_tail

STARTING: Final = "starting"
"""What is reported of a process that has written nothing."""

NO_OUTPUT: Final = "no output yet"
"""The same of a command."""


class CommandProgress:
    """The progress of a command or of the start of a process, which has not begun yet.

    Args:
        name: the name of the command or process.
        log: the pipe to its log, which may contain the output of earlier runs.
        report: called with one line of text, for standard error.
        silent: what is reported before the first output.
    """

    def __init__(
        self, name: str, log: LogPipe, report: Callable[[str], None], silent: str = STARTING
    ) -> None:
        self._name = name
        self._log = log
        self._silent = silent
        self._progress = Progress(report, INTERVAL if sys.stderr.isatty() else QUIET_INTERVAL)
        self._started = time.monotonic()
        self._size = self._log_size()

    def report(self) -> None:
        """Report the last line of output, if the time for it has come."""
        self._progress.tell(self._line)

    def _line(self) -> str:
        self._log.flush()
        line = read_tail(self._log, 1) if self._log_size() != self._size else self._silent
        return f"  {self._name} ({time.monotonic() - self._started:.0f} s): {line}"

    def _log_size(self) -> int:
        try:
            return self._log.path.stat().st_size
        except OSError:
            return 0
