"""The file in which a running PostgreSQL stores its pid. It is left after a crash."""

from contextlib import suppress
from pathlib import Path
from typing import Final

PID_FILE: Final = "postmaster.pid"


def postmaster_pid(data: Path) -> int | None:
    """Return the pid in the file; None without a file, and if it has no pid.

    Args:
        data: PostgreSQL's data directory, which need not exist.

    Raises:
        OSError: the file cannot be read.
    """
    with suppress(FileNotFoundError, NotADirectoryError, ValueError):
        return int((data / PID_FILE).read_bytes().split(b"\n", 1)[0])
    return None
