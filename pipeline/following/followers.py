"""Copies that follow the index: an error of one of them stops neither the index nor another one.

Lookups work without them, at a higher cost or without excerpts, but not without the index.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from pipeline.catalog.fingerprint.changelog import ForeignIndexError
from pipeline.fingerprint_store import FingerprintStoreError
from pipeline.following.copies import read_batch
from pipeline.following.reading_connection import reading_connection
from pipeline.index import FingerprintIndexError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pipeline.following.copies import Batch, Copy
    from pipeline.runtime.databases import Databases

    Failed = Callable[[str, Exception], object]
    """Is called with the noun of a copy and its error."""

FAULTS: Final = (OSError, MemoryError, FingerprintStoreError, FingerprintIndexError)
"""The errors of a copy's files."""

logger = structlog.get_logger("acoustid.following.followers")


def log_failure(noun: str, error: Exception) -> None:
    """Log that a copy was not written."""
    logger.warning("the copy was not written", copy=noun, error=str(error))


def raise_failure(_noun: str, error: Exception) -> None:
    """Raise the error of a copy."""
    raise error


@contextmanager
def may_fail(noun: str, failed: Failed = log_failure) -> Iterator[None]:
    """Report an error of a copy instead of raising it.

    Args:
        noun: the noun of the copy.
        failed: is called with the noun and the error.
    """
    try:
        yield
    except (*FAULTS, ForeignIndexError) as error:
        failed(noun, error)


class Followers:
    """The copies that are updated beside the index or alone, until they fail or are complete.

    Args:
        copies: the copies. One of another database is left out.
        databases: the changelog is in the fingerprint database.
        failed: is called with the noun and the error of a copy. The copy is left out then.
    """

    def __init__(
        self, copies: Iterable[Copy], databases: Databases, failed: Failed = log_failure
    ) -> None:
        self._databases = databases
        self._failed = failed
        self._active: list[Copy] = []
        given = list(copies)
        if given:
            with reading_connection(databases) as connection:
                for copy in given:
                    self._attempt(copy, partial(copy.require_own, connection))

    def apply_beside(self, position: int, batch: Batch) -> None:
        """Apply a batch to the copies at the position after which it was read."""
        for copy in [each for each in self._active if each.position() == position]:
            self._attempt(copy, partial(copy.apply, batch))

    def advance(self, position: int | None = None) -> bool:
        """Apply the next batch to each copy at another position, the furthest behind first.

        So a copy that is filled does not hold up another one, which is behind by a few changes.

        Args:
            position: the position of the index. Copies at this position need no batch.

        Returns:
            Whether there may be a further batch.
        """
        for behind in self._other_positions(position):
            batch = read_batch(self._databases, behind)
            self.apply_beside(behind, batch)
            if not batch.logged:
                self._active = [each for each in self._active if each.position() != behind]
        return bool(self._other_positions(position))

    def _other_positions(self, position: int | None) -> list[int]:
        return sorted({each.position() for each in self._active} - {position})

    def _attempt(self, copy: Copy, use: Callable[[], None]) -> None:
        """Use a copy; leave it out after an error."""
        others = [each for each in self._active if each is not copy]
        self._active = others
        with may_fail(copy.noun, self._failed):
            use()
            self._active = [*others, copy]


def update_followers(
    copies: Iterable[Copy],
    databases: Databases,
    *,
    until: float | None = None,
    failed: Failed = log_failure,
) -> None:
    """Apply the changelog to copies without the index.

    Args:
        copies: the copies.
        databases: the changelog is in the fingerprint database.
        until: the time (`time.monotonic`) after which no further batch begins; None for no limit.
            One batch is applied in any case.
        failed: is called with the noun and the error of a copy, which does not stop the others.
    """
    followers = Followers(copies, databases, failed)
    while followers.advance():
        if until is not None and time.monotonic() >= until:
            return
