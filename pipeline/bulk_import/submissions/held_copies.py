"""The copies of the fingerprints, open for writing in the process of an import.

An import compares each batch with all fingerprints that are not in the index yet. The worker of the
queue index would apply the changelog every few seconds; this process does it after each batch. The
worker then finds the copies locked, and leaves them to the process that has them (see
`tasks.index`). The locks end with the process.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final, TypeVar

from pipeline.excerpts.sketch_folders import sketch_folder
from pipeline.fingerprint_store import StoreLocked
from pipeline.following.copies import Copy
from pipeline.following.followers import raise_failure
from pipeline.following.index_copy import sketch_index
from pipeline.following.open_index import IndexBusy, IndexUpdater
from pipeline.following.repair import (
    open_or_empty_folder,
    open_or_empty_index,
    open_or_empty_store,
)
from pipeline.following.store_copy import StoreCopy
from pipeline.following.update_index import update_index
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings

LOCK_TIMEOUT: Final = 120.0
"""Seconds to wait for each lock; the workers unlock a copy after their merges."""

POLL: Final = 0.05
"""Seconds between two attempts to take a lock."""

Opened = TypeVar("Opened")


class CopiesBusyError(Exception):
    """Another process has locked a copy for too long."""


class HeldCopies:
    """The index, and the copies that follow it.

    Args:
        index: the index.
        followers: the fingerprint store and the sketch index, unless the settings disable them.
        databases: the changelog is in the fingerprint database.
    """

    def __init__(self, index: IndexUpdater, followers: list[Copy], databases: Databases) -> None:
        self._index = index
        self._followers = followers
        self._databases = databases

    def update(self) -> int:
        """Apply the whole changelog; return its position.

        Raises:
            ForeignIndexError: the index belongs to another database.
            OSError, FingerprintStoreError, FingerprintIndexError: a copy can't be written.
        """
        return update_index(
            self._index, self._databases, followers=self._followers, failed=raise_failure
        )


@contextmanager
def hold_copies(
    settings: Settings, databases: Databases, timeout: float = LOCK_TIMEOUT
) -> Iterator[HeldCopies]:
    """Open all copies for writing during a block, as soon as other processes have unlocked them.

    Args:
        settings: name the copies.
        databases: the fingerprint database.
        timeout: seconds to wait for each lock.

    Raises:
        CopiesBusyError: a lock was not released in time.
        IndexCorrupt, StoreCorrupt: a file has an unknown name.
        IndexUnavailable: the index server gives no usable answer.
        OSError: the disk is full, failing or read-only.
    """
    options = settings.fingerprint_index
    with ExitStack() as stack:
        index = stack.enter_context(
            _when_free(lambda: open_or_empty_index(options, databases), "index", timeout)
        )
        followers: list[Copy] = []
        if settings.fingerprint_store.enabled:
            path = settings.fingerprint_store.path
            store = _when_free(
                lambda: open_or_empty_store(path, databases), "fingerprint store", timeout
            )
            followers.append(StoreCopy(stack.enter_context(store)))
        if options.sketch_rate:
            folder = sketch_folder(options.sketch_path, options.sketch_rate)
            sketch = _when_free(
                lambda: open_or_empty_folder(folder, databases), "sketch index", timeout
            )
            followers.append(sketch_index(stack.enter_context(sketch), options.sketch_rate))
        yield HeldCopies(index, followers, databases)


def _when_free(open_it: Callable[[], Opened], noun: str, timeout: float) -> Opened:
    """Open a copy as soon as another process has unlocked it.

    Raises:
        CopiesBusyError: it was not unlocked in time.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            return open_it()
        except (IndexBusy, StoreLocked) as error:
            if time.monotonic() > deadline:
                raise CopiesBusyError(
                    f"another process has written the {noun} for {timeout:.0f} s: wait until its "
                    "rebuild or import ends, and run the command again"
                ) from error
            time.sleep(POLL)
