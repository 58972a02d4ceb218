"""The errors of an index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.index.changelog_state import ChangelogState
from pipeline.runtime.rebuildable_error import RebuildableError
from pipeline.storage.errors import StorageCorrupt, StorageLocked, StorageUnusable

if TYPE_CHECKING:
    from pipeline.index.changelog_state import PlainState


class FingerprintIndexError(Exception):
    """The base of all errors that an index raises."""


class IndexLocked(StorageLocked, FingerprintIndexError):  # noqa: N818 - named for the state it reports
    """Another writer has the index open."""

    noun = "index"


class IndexCorrupt(StorageCorrupt, FingerprintIndexError):  # noqa: N818 - named for the state it reports
    """A file of the index is missing, truncated or changed."""

    usual_remedy = (
        "run `acoustid index rebuild`, with --sketch for the sketch index; on an index server, "
        "restore a snapshot or a backup"
    )


class WriterUnusable(StorageUnusable, FingerprintIndexError):  # noqa: N818 - named for the state it reports
    """The writer is closed, or a failed commit could not be undone."""


class StalePosition(RebuildableError, FingerprintIndexError, ValueError):  # noqa: N818 - named for what it reports
    """The position of a commit is below that of the index.

    Attributes:
        position: the position of the commit.
        current: the position of the index.
    """

    def __init__(self, position: int, current: int) -> None:
        self.position = position
        self.current = current

    def __str__(self) -> str:
        return (
            f"position {self.position} is below that of the index, {self.current}; "
            "read position() again and send only later changes"
        )


class SearchTimeout(FingerprintIndexError):  # noqa: N818 - named for what it reports
    """A search exceeded its timeout."""


class StateRefused(FingerprintIndexError):  # noqa: N818 - named for what it reports
    """The caller of a search does not accept the state of the index.

    Attributes:
        state: the state; None if there is no index.
    """

    def __init__(self, state: ChangelogState | PlainState | None) -> None:
        self.state = ChangelogState.from_plain(state)
        super().__init__(None if self.state is None else self.state.plain())


class IndexUnavailable(FingerprintIndexError):  # noqa: N818 - named for the state it reports
    """No index server gave a usable answer. A retry may succeed."""


class RequestRefused(FingerprintIndexError):  # noqa: N818 - named for what it reports
    """An index server rejected the request. A retry has the same result."""
