"""What can go wrong with an index, as exceptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class FingerprintIndexError(Exception):
    """Every error that the index raises of its own accord."""


class IndexLocked(FingerprintIndexError):  # noqa: N818 - named for the state it reports
    """Another writer holds the index.

    Attributes:
        path: the folder of the index.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: another writer holds this index; close it or wait for it")
        self.path = path


class IndexCorrupt(FingerprintIndexError):  # noqa: N818 - named for the state it reports
    """A file of the index is missing, cut short or changed.

    Attributes:
        path: the file at fault.
        problem: what is wrong with it.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}; delete the index and rebuild it")
        self.path = path
        self.problem = problem

    def __reduce__(self) -> tuple[type[IndexCorrupt], tuple[Path, str]]:
        """Return how to pickle it: of what can't be pickled, Celery passes on the base class."""
        return IndexCorrupt, (self.path, self.problem)


class StalePosition(FingerprintIndexError, ValueError):  # noqa: N818 - named for what it reports
    """Changes were offered for a position that the index has already passed.

    Attributes:
        position: the position that was offered.
        current: the position of the index.
    """

    def __init__(self, position: int, current: int) -> None:
        super().__init__(
            f"position {position} lies before the index's own, {current}; "
            "read position() again and send only what follows it"
        )
        self.position = position
        self.current = current


class SearchTimeout(FingerprintIndexError):  # noqa: N818 - named for what it reports
    """A search was not done in the time it was given."""


class MergeStopped(FingerprintIndexError):  # noqa: N818 - named for what it reports
    """A merge gave up because its writer is closing."""


class WriterUnusable(FingerprintIndexError):  # noqa: N818 - named for the state it reports
    """The writer is closed, or a failure left it unsure of what the disk holds."""
