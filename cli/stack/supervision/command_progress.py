"""Reports every few seconds what the supervisor waits for: a process, and the end of its log."""

import time
from collections.abc import Callable

from cli.progress import Progress
from cli.stack.processes.child_process import LogPipe, read_tail


class CommandProgress:
    """The progress of a command or of the start of a process, which has not begun yet.

    Args:
        name: the name of the command or process.
        log: the pipe to its log, which may contain the output of earlier runs.
        report: called with one line of text.
    """

    def __init__(self, name: str, log: LogPipe, report: Callable[[str], None]) -> None:
        self._name = name
        self._log = log
        self._progress = Progress(report)
        self._started = time.monotonic()
        self._size = self._log_size()

    def report(self) -> None:
        """Report the last line of output, if the time for it has come."""
        self._progress.tell(self._line)

    def _line(self) -> str:
        self._log.flush()
        line = read_tail(self._log, 1) if self._log_size() != self._size else "no output yet"
        return f"  {self._name} ({time.monotonic() - self._started:.0f} s): {line}"

    def _log_size(self) -> int:
        try:
            return self._log.path.stat().st_size
        except OSError:
            return 0
