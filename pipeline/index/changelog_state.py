"""The part of the changelog that an index contains, as the metadata of its commits store it.

The index is a copy of one database. Its metadata names an entry of the changelog of that database,
so a reader or a writer with another database can refuse the index.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    PlainState = list[Any]
    """The attributes of a state in order, with lists in place of tuples."""

    Accept = Callable[["ChangelogState | None"], bool]
    """Takes the state of an index, None if there is no index; returns whether to search it."""

STAMP_KEY: Final = "changelog_stamp"
"""Metadata key of a changelog entry: its position and its time in µs, separated by a colon."""

TARGET_KEY: Final = "changelog_fill_target"
"""Metadata key of the position at which an index that is filled from the beginning is complete."""


@dataclass(frozen=True, slots=True)
class ChangelogState:
    """The part of the changelog that an index contains.

    Attributes:
        position: the position of the last commit.
        stamped: position and time (µs since the epoch) of the entry at the last commit that stored
            them; None if an earlier version has written the index.
        fill_target: below this position the index is incomplete.
        max_document_id: the highest id that searches can find; 0 if it is not needed, since the
            index has a stamp.
    """

    position: int
    stamped: tuple[int, int] | None = None
    fill_target: int = 0
    max_document_id: int = 0

    @property
    def is_filling(self) -> bool:
        """Whether a writer fills the index from the beginning and has not reached the target."""
        return self.position < self.fill_target

    @property
    def needs_stamp(self) -> bool:
        """Whether the last commit has not stored the entry at its position."""
        return self.position > 0 and (self.stamped is None or self.stamped[0] != self.position)

    def plain(self) -> PlainState:
        """Return the state as lists and numbers, which MessagePack can encode."""
        stamped = None if self.stamped is None else list(self.stamped)
        return [self.position, stamped, self.fill_target, self.max_document_id]

    @classmethod
    def from_plain(cls, state: ChangelogState | PlainState | None) -> ChangelogState | None:
        """Return the state that `plain` has converted; return a state or None as it is."""
        if state is None or isinstance(state, ChangelogState):
            return state
        position, stamped, fill_target, max_document_id = state
        return cls(position, stamped and tuple(stamped), fill_target, max_document_id)

    @classmethod
    def read(
        cls, position: int, metadata: Mapping[str, str], max_document_id: Callable[[], int]
    ) -> ChangelogState:
        """Return the state that metadata describe.

        Args:
            position: the position of the commit.
            metadata: the metadata of the commit.
            max_document_id: returns the highest id; only called for an index without a stamp.
        """
        stamped = _stamp(metadata.get(STAMP_KEY, ""), position)
        return cls(
            position,
            stamped,
            _number(metadata.get(TARGET_KEY, "")),
            0 if stamped or not position else max_document_id(),
        )


def changelog_metadata(position: int, stamp: int, fill_target: int = 0) -> dict[str, str]:
    """Return the metadata of a commit.

    Args:
        position: the position of the commit.
        stamp: the time of the changelog entry at the position, in µs since the epoch.
        fill_target: see `ChangelogState`.
    """
    target = fill_target if position < fill_target else 0
    return {STAMP_KEY: f"{position}:{stamp}", TARGET_KEY: str(target)}


def _stamp(text: str, position: int) -> tuple[int, int] | None:
    """Return position and time of an entry; None without one, or if it is after the commit.

    A version before the stamp keeps the metadata of an index that it rebuilds. So the stamp may
    belong to content that is no longer in the index.
    """
    stamped, _, time = text.partition(":")
    found = (_number(stamped), _number(time))
    return found if 0 < found[0] <= position else None


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
