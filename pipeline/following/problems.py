"""The reasons for which the index or another copy is not written, one line for each of them.

A fault of a disk lasts for many tasks. It is logged when it begins, changes and ends.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from pipeline.storage.damaged_folders import damaged_folders, seconds_to_filling

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

INDEX: Final = "index"
STORE: Final = "fingerprint store"
SKETCH: Final = "sketch index"

COMMANDS: Final = {
    INDEX: "acoustid index rebuild",
    STORE: "acoustid store rebuild",
    SKETCH: "acoustid index rebuild --sketch",
}
"""The command that rebuilds each copy."""

_DISK_FAULTS: Final = {
    errno.ENOSPC: "disk full",
    errno.EDQUOT: "disk quota exceeded",
    errno.EROFS: "read-only file system",
    errno.EIO: "input/output error",
}

_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

logger = structlog.get_logger("acoustid.following.problems")


class NotWrittenError(Exception):
    """The index or another copy was not written. A retry may succeed."""


@dataclass(slots=True)
class WriteProblems:
    """The problems of the last run: at most one of each copy.

    Attributes:
        should_retry: whether a retry may end one of them.
        folders: the local folders, by noun.
    """

    should_retry: bool = False
    folders: Mapping[str, Path] = field(default_factory=dict)

    _current: dict[str, str] = field(default_factory=dict)
    _logged: dict[str, str] = field(default_factory=dict)

    def begin(self) -> None:
        """Remove the problems of the previous run."""
        self._current.clear()
        self.should_retry = False

    def add(self, noun: str, error: Exception | str) -> None:
        """Store a problem. Log it, unless the previous run had the same one.

        Args:
            noun: `INDEX`, `STORE` or `SKETCH`.
            error: the exception, or the problem as a text.
        """
        text = self._describe(noun, error) if isinstance(error, Exception) else error
        self.should_retry |= isinstance(error, Exception)
        self._current[noun] = text
        if self._logged.get(noun) != text:
            self._logged[noun] = text
            logger.warning("the folder is not written", folder=noun, problem=text)

    def has(self, noun: str) -> bool:
        """Return whether this run has a problem of a copy."""
        return noun in self._current

    def must_wait(self, noun: str, folder: Path | None, position: int) -> bool:
        """Return whether an empty copy is filled later because it was damaged repeatedly.

        It is a problem of this run then.

        Args:
            noun: see `add`.
            folder: its folder; None if it is on a server.
            position: its changelog position.
        """
        if folder is None or position:
            return False
        seconds = seconds_to_filling(folder)
        if seconds:
            self.add(noun, waiting_problem(seconds, len(damaged_folders(folder))))
        return seconds > 0

    def _describe(self, noun: str, error: Exception) -> str:
        text, folder = describe(error), self.folders.get(noun)
        is_full = isinstance(error, OSError) and error.errno in _NO_SPACE
        if is_full and folder and damaged_folders(folder):
            text += f"; the folders {folder / 'damaged-*'} may be deleted"
        return text

    def text(self) -> str:
        """Return all problems in one line, an empty text if there is none; log those that ended."""
        for noun in [noun for noun in self._logged if noun not in self._current]:
            del self._logged[noun]
            logger.info("the folder is written again", folder=noun)
        return "; ".join(f"{noun}: {problem}" for noun, problem in self._current.items())


def describe(error: Exception) -> str:
    """Return the text of a problem. The usual faults of a disk have fixed texts."""
    if not isinstance(error, OSError) or error.errno is None:
        return str(error) or type(error).__name__
    fault = _DISK_FAULTS.get(error.errno) or error.strerror or type(error).__name__
    return f"{fault} ({error.filename})" if error.filename else fault


def waiting_problem(seconds: float, folders: int) -> str:
    """Return the text of a folder that was damaged repeatedly and is filled again after a pause.

    Args:
        seconds: the time until it is filled.
        folders: the number of folders with damaged files.
    """
    minutes = max(1, round(seconds / 60))
    return (
        f"damaged {folders} times, filled again in about {minutes} min; check the disk and the "
        "memory of this host"
    )


def refilled_later(noun: str, seconds: float, folders: int) -> str:
    """Return the line of the health check for such a folder.

    Args:
        noun: `INDEX`, `STORE` or `SKETCH`.
        seconds: the time until it is filled.
        folders: the number of folders with damaged files.
    """
    minutes = max(1, round(seconds / 60))
    return (
        f"the {noun} was damaged {folders} times and is filled again in {minutes} min: check disk "
        f"and memory, or run `{COMMANDS[noun]}`"
    )
