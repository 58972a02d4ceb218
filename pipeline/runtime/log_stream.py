"""Writes log records so that a full pipe does not stop the process.

A pipe holds 64 KiB. When it is full, a write waits for the reader, without a time limit. Meanwhile
the thread holds the lock of the log handler. So every other thread stops at its next log record,
also the event loop of a server: it answers no request, and SIGTERM does not end the process.
"""

import os
import select
import stat
from typing import Final, TextIO

PATIENCE: Final = 2.0
"""Seconds to wait for the reader. After a lost record, no record waits while the pipe is full."""


class LogStream:
    """A stream for log records. The handler that uses it has a lock, so it is not thread-safe.

    Args:
        stream: the stream to write to. For a pipe or a socket, its file descriptor is used.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._pipe = _pipe_of(stream)
        self._lost = 0
        self._is_full = False

    def write(self, text: str) -> None:
        """Write a record. If the reader of the pipe does not read, it is lost, or its end is.

        Raises:
            OSError: the stream cannot be written; the reader of the pipe has closed it.
        """
        if self._pipe is None:
            self._stream.write(text)
            return
        data = text.encode("utf-8", "backslashreplace")
        for start in range(0, len(data), select.PIPE_BUF):
            if not _is_writable(self._pipe, 0.0 if self._is_full else PATIENCE):
                self._is_full = True
                self._lost += 1
                return
            os.write(self._pipe, data[start : start + select.PIPE_BUF])
        self._is_full = False

    def flush(self) -> None:
        """Write what is buffered."""
        if self._pipe is None:
            self._stream.flush()

    def take_lost(self) -> int:
        """Return the number of records lost since the last call; 0 while the pipe is full."""
        if self._is_full:
            return 0
        lost, self._lost = self._lost, 0
        return lost


def _pipe_of(stream: TextIO) -> int | None:
    """Return the file descriptor of a stream that is a pipe or a socket, else None."""
    try:
        descriptor = stream.fileno()
        mode = os.fstat(descriptor).st_mode
    except (AttributeError, OSError, TypeError, ValueError):  # a replacement of standard output
        return None
    return descriptor if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None


def _is_writable(descriptor: int, seconds: float) -> bool:
    """Return whether `select.PIPE_BUF` bytes can be written without waiting for the reader."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(seconds * 1000))
