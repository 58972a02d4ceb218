"""Opens and builds all copies of the fingerprints: index, fingerprint store, sketch index.

An import that fills an empty catalogue keeps their locks from its beginning, so that the workers do
not index rows one batch after the other, and builds them at the end, as a restore does. Other
imports take the locks at the end, as soon as the workers have released them, and apply what the
workers have not applied.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

from pipeline.catalog.changelog_position import newest_position
from pipeline.excerpts.sketch_folders import sketch_folder
from pipeline.fingerprint_store import StoreLocked
from pipeline.following.copies import Copy
from pipeline.following.index_copy import public_index, sketch_index
from pipeline.following.open_index import IndexBusy, IndexUpdater
from pipeline.following.rebuild_together import rebuild_together
from pipeline.following.repair import (
    open_or_empty_folder,
    open_or_empty_index,
    open_or_empty_store,
)
from pipeline.following.store_copy import StoreCopy
from pipeline.following.update_index import rebuild_index, update_index
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings

LONGEST_WAIT: Final = 300.0
"""Seconds to wait for the workers, which hold a lock for one task and its merges."""

_POLL: Final = 0.05  # seconds
_ONE_BATCH: Final = 0.0  # a time limit that is over: one batch of the changelog

Opened = TypeVar("Opened")


class CopyLockedError(Exception):
    """Another process has locked a copy for too long. The message says what to do."""


@dataclass(frozen=True, slots=True)
class OpenCopies:
    """The copies of the fingerprints, open for writing.

    Attributes:
        index: the index.
        followers: the fingerprint store and the sketch index, if they are enabled.
    """

    index: IndexUpdater
    followers: list[Copy] = field(default_factory=list)


@contextmanager
def open_copies(settings: Settings, databases: Databases) -> Iterator[OpenCopies]:
    """Open index, store and sketch index as soon as the workers have unlocked them.

    A damaged one is emptied, as the index worker does.

    Raises:
        CopyLockedError: a worker has not unlocked one in `LONGEST_WAIT` seconds.
        FingerprintIndexError, FingerprintStoreError, OSError: one can't be opened.
    """
    index, store = settings.fingerprint_index, settings.fingerprint_store
    with ExitStack() as stack:
        opened = OpenCopies(
            stack.enter_context(_when_free(lambda: open_or_empty_index(index, databases), "index"))
        )
        if store.enabled:
            writer = _when_free(lambda: open_or_empty_store(store.path, databases), "store")
            opened.followers.append(StoreCopy(stack.enter_context(writer)))
        if index.sketch_rate:
            folder = sketch_folder(index.sketch_path, index.sketch_rate)
            sketch = _when_free(lambda: open_or_empty_folder(folder, databases), "sketch index")
            opened.followers.append(sketch_index(stack.enter_context(sketch), index.sketch_rate))
        yield opened


def _when_free(open_it: Callable[[], Opened], noun: str) -> Opened:
    deadline = time.monotonic() + LONGEST_WAIT
    while True:
        try:
            return open_it()
        except (IndexBusy, StoreLocked) as error:
            if time.monotonic() > deadline:
                raise CopyLockedError(
                    f"the {noun} is locked by another process for {LONGEST_WAIT:.0f} s: see "
                    "`acoustid status`, then run the command again"
                ) from error
            time.sleep(_POLL)


def require_own(copies: OpenCopies, databases: Databases) -> None:
    """Check that no copy has the fingerprints of another database, before it is built anew.

    Raises:
        ForeignIndexError, OtherDatabaseError: one has them.
    """
    with databases.engine("fingerprint").connect() as connection:
        for copy in (public_index(copies.index), *copies.followers):
            copy.require_own(connection)


def build_copies(
    copies: OpenCopies,
    databases: Databases,
    begin: Callable[[str], Callable[[int], object]],
    *,
    is_local: bool,
) -> None:
    """Build the copies anew from all fingerprints.

    Args:
        copies: the copies.
        databases: the fingerprint database is read.
        begin: is called with the noun of a copy; it returns a function that is called with the
            number of fingerprints of each chunk.
        is_local: whether the index is in local files, not on a server.
    """
    if is_local:
        together = [public_index(copies.index), *copies.followers]
        rebuild_together(together, databases, begin("index and store"))
        return
    rebuild_index(copies.index, databases, begin("index"))
    if copies.followers:
        rebuild_together(copies.followers, databases, begin("store"))


def follow_changes(
    copies: OpenCopies, databases: Databases, begin: Callable[[int], Callable[[int], object]]
) -> None:
    """Apply the changelog to the copies up to its end.

    Args:
        copies: the copies.
        databases: the fingerprint database is read.
        begin: is called with the number of changes that are not in the index; it returns a function
            that is called with the number of changes of each batch.

    Raises:
        ForeignIndexError: a copy belongs to another database.
    """
    with databases.engine("fingerprint").connect() as connection:
        newest = newest_position(connection)
    position = copies.index.position()
    advance = begin(max(0, newest - position))
    while position < newest:
        reached = update_index(
            copies.index, databases, followers=copies.followers, until=_ONE_BATCH, failed=_raise
        )
        advance(reached - position)
        if reached == position:
            break
        position = reached
    update_index(copies.index, databases, followers=copies.followers, failed=_raise)


def _raise(_: str, error: Exception) -> None:
    raise error
