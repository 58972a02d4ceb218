"""The errors of an index."""

from __future__ import annotations

from pipeline.storage.errors import StorageCorrupt, StorageLocked, StorageUnusable


class FingerprintIndexError(Exception):
    """The base of all errors that an index raises."""


class IndexLocked(StorageLocked, FingerprintIndexError):  # noqa: N818 - named for the state it reports
    """Another writer holds the index."""

    noun = "index"


class IndexCorrupt(StorageCorrupt, FingerprintIndexError):  # noqa: N818 - named for the state it reports
    """A file of the index is missing, cut short or changed."""

    remedy = "delete the index and rebuild it"


class WriterUnusable(StorageUnusable, FingerprintIndexError):  # noqa: N818 - named for the state it reports
    """The writer is closed, or a failed commit could not be taken back."""


class StalePosition(FingerprintIndexError, ValueError):  # noqa: N818 - named for what it reports
    """Changes were offered for a position below that of the index.

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
    """A search took longer than it may."""
