"""The wall clock of a host, which a test can set: a library for ``LD_PRELOAD``.

libfaketime of Debian breaks `time.sleep` and waits with a time limit of Python 3.11, so the tests
compile a small library of their own.
"""

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("host_clock.c")
COMPILER: Final = "cc"


class HostClock:
    """The wall clock of all processes with an environment.

    Args:
        folder: an existing folder for the library and the file with the shift.
        name: the name of the host, which is part of the file's name.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._library = _compiled(folder)
        self._path = folder / f"{name}.clock"
        self._path.write_bytes(struct.pack("d", 0.0))

    def set(self, seconds: float) -> None:
        """Set the clock ahead by some seconds, or behind by a negative number."""
        # One write in place: the processes have mapped the file.
        descriptor = os.open(self._path, os.O_WRONLY)
        try:
            os.pwrite(descriptor, struct.pack("d", seconds), 0)
        finally:
            os.close(descriptor)

    def environ(self) -> dict[str, str]:
        """Return the environment of the processes."""
        return {"LD_PRELOAD": str(self._library), "HOST_CLOCK_FILE": str(self._path)}


def _compiled(folder: Path) -> Path:
    library = folder / "host_clock.so"
    if not library.exists():
        options = ("-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl")
        subprocess.run([COMPILER, *options], check=True)
    return library


def problem() -> str | None:
    """Return why clocks can't be set; None if they can."""
    if sys.platform != "linux":
        return "clocks can be set on Linux only"
    return None if shutil.which(COMPILER) else f"the compiler {COMPILER} is not installed"
