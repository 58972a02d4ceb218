"""Rotates the log of the supervisor, to which this process itself writes."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cli.stack.logs.rotated_file import shift
from cli.stack.processes.child_process import open_log
from pipeline.settings.sections import LoggingSettings


def rotating(
    report: Callable[[str], None], log: Path, settings: LoggingSettings
) -> Callable[[str], None]:
    """Return a function that reports a line and then rotates the log if it is full.

    Args:
        report: writes a line to standard output.
        log: the log to which standard output and standard error are appended.
        settings: size and number of its files.
    """

    def report_and_rotate(line: str) -> None:
        report(line)
        with suppress(OSError):  # such as a full disk; the stack keeps running
            sys.stdout.flush()
            if os.fstat(sys.stdout.fileno()).st_size >= settings.file_size:
                _start_new(log, settings.old_files)

    return report_and_rotate


def _start_new(log: Path, old_files: int) -> None:
    shift(log, old_files)
    with open_log(log) as new:
        os.dup2(new.fileno(), sys.stdout.fileno())
        os.dup2(new.fileno(), sys.stderr.fileno())
