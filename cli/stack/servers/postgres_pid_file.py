"""The file in which a running PostgreSQL stores its pid. It is left after a crash."""

from contextlib import suppress
from pathlib import Path
from typing import Final

PID_FILE: Final = "postmaster.pid"


_MAX_PID: Final = 2**31 - 1


def postmaster_pid(data: Path) -> int | None:
    """Return the pid in the file; None without a file, and if it has no possible pid.

    In single-user mode, PostgreSQL writes its pid as a negative number.

    Args:
        data: PostgreSQL's data directory, which need not exist.

    Raises:
        OSError: the file cannot be read.
    """
    with suppress(FileNotFoundError, NotADirectoryError, ValueError):
        pid = abs(int((data / PID_FILE).read_bytes().split(b"\n", 1)[0]))
        return pid if 0 < pid <= _MAX_PID else None
    return None
