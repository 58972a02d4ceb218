"""The log writer: a process that reads the output of a stack's processes and writes the logs.

It may end after the supervisor: it ends when no process has the other end of a pipe. So the last
lines of processes that stop after the supervisor are in their logs, and no pipe stays full.
A log that cannot be written does not stop it: it drops the output and notes the number of lines.

It imports only the standard library, which keeps it small.
"""

import argparse
import os
import selectors
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cli.stack.logs.rotated_file import RotatedFile

ADD = b"add "
"""Starts a message with the name of a log and the reading end of its pipe."""

FLUSH = b"flush\n"
"""A message that is answered when the output so far is in the logs."""

DONE = b"done\n"
"""The reply to each message."""

CHUNK = 65536
_FLUSH_LIMIT = 4 * 2**20
"""Maximum bytes that one flush reads from a pipe, which may be filled all the time."""


@dataclass
class _Log:
    """A pipe, its log, and the lines and bytes that could not be written since the last success."""

    pipe: int
    file: RotatedFile
    lost: int = 0
    lost_lines: int = 0

    def store(self, output: bytes) -> None:
        """Write the output of a process; drop it if that is impossible."""
        try:
            if self.lost:
                amount = f"{self.lost_lines} lines ({self.lost} bytes)"
                self.file.write(f"\n{amount} of output could not be written\n".encode())
                self.lost = self.lost_lines = 0
            self.file.write(output)
        except OSError:
            self.lost += len(output)
            self.lost_lines += output.count(b"\n")

    def read(self) -> bytes | None:
        """Return available output; empty at the end; None if there is none now."""
        try:
            return os.read(self.pipe, CHUNK)
        except BlockingIOError:
            return None


class LogWriter:
    """Writes the logs of one stack.

    Args:
        control: the connection to the supervisor.
        folder: the directory of the logs.
        size: the size in bytes at which a new file is started.
        old_files: the number of older files of each log.
    """

    def __init__(self, control: socket.socket, folder: Path, size: int, old_files: int) -> None:
        self._control = control
        self._folder = folder
        self._make_file = partial(RotatedFile, size=size, old_files=old_files)
        self._logs: list[_Log] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, self._handle_message)

    def run(self) -> None:
        """Write until the supervisor and all other processes have closed their ends."""
        while self._selector.get_map():
            for key, _ in self._selector.select():
                key.data()

    def _handle_message(self) -> None:
        """Handle a message of the supervisor."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self._control, 4096, 1)
        except ConnectionError:
            message, descriptors = b"", []
        if not message:
            self._selector.unregister(self._control)
            return
        if message == FLUSH:
            for log in self._logs:
                self._drain(log)
        elif message.startswith(ADD) and descriptors:
            self._add(message.removeprefix(ADD).decode().strip(), descriptors[0])
        with suppress(OSError):  # the supervisor has ended: the next message is its end
            self._control.sendall(DONE)

    def _add(self, name: str, pipe: int) -> None:
        os.set_blocking(pipe, False)
        log = _Log(pipe, self._make_file(self._folder / f"{name}.log"))
        self._logs.append(log)
        self._selector.register(pipe, selectors.EVENT_READ, partial(self._copy, log))

    def _copy(self, log: _Log) -> None:
        output = log.read()
        if output:
            log.store(output)
        elif output is not None:
            self._selector.unregister(log.pipe)
            self._logs.remove(log)
            os.close(log.pipe)
            log.file.close()

    def _drain(self, log: _Log) -> None:
        length = 0
        while length < _FLUSH_LIMIT and (output := log.read()):
            log.store(output)
            length += len(output)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the log writer with the arguments of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--old-files", type=int, required=True)
    given = parser.parse_args(arguments)
    # A service manager may send these to all processes. The others still have output.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=given.control) as control:
        LogWriter(control, given.folder, given.size, given.old_files).run()


if __name__ == "__main__":
    main()
