"""The clock of programs that a test starts, by Debian's libfaketime."""

from collections.abc import Mapping
from pathlib import Path

LIBRARIES = "usr/lib/*/faketime/libfaketimeMT.so.1"


class WrongClock:
    """The clock of some processes. Their monotonic clock is right.

    A program that sleeps with `time.sleep`, such as beat, fails: libfaketime 0.9.10 refuses its
    absolute times of the monotonic clock. Such a program runs with `fixed`.

    Args:
        folder: the directory of its file.
        name: the name of the file.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._file = folder / f"{name}.clock"
        self.set(0)

    def set(self, seconds: float) -> None:
        """Set the clock ahead of the right time. Running processes notice it within a second."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+.0f}\n")
        new.rename(self._file)

    @property
    def environ(self) -> Mapping[str, str]:
        """Environment variables for the processes."""
        return {
            "LD_PRELOAD": _library(),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }


def fixed(seconds: float) -> Mapping[str, str]:
    """Return environment variables for a program whose clocks are all ahead of the right time."""
    return {"LD_PRELOAD": _library(), "FAKETIME": f"{seconds:+.0f}"}


def _library() -> str:
    [library] = Path("/").glob(LIBRARIES)
    return str(library)
