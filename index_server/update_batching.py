"""Group commit: one writer commits the updates of many threads together.

A commit of the engine waits for the disk several times. Updates that arrive during a commit wait,
and the next commit takes all of them. Each update gets its own version, in the order of arrival.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from index_server.errors import IndexNotFoundError, VersionMismatchError
from pipeline.index import Change, ChangeBatch, Delete, WriterUnusable, open_writer
from pipeline.storage.format import MANIFEST_NAME

MAX_TERMS: Final = 1 << 22
"""Number of terms from which a commit takes no more updates. It limits the memory."""


@dataclass(frozen=True, slots=True, eq=False)
class UpdateRequest:
    """Changes that become one version of an index.

    Attributes:
        changes: the changes in order; the last one of an id wins.
        metadata: the texts that are merged into the metadata of the index, key by key.
        expected_version: the version that the index must have; None for any.
    """

    changes: Sequence[Change | ChangeBatch] = field(default_factory=list)
    metadata: Mapping[str, str] = field(default_factory=dict)
    expected_version: int | None = None


class _PendingUpdate:
    """An update in the queue, later with its version or its error."""

    def __init__(self, request: UpdateRequest) -> None:
        self.request = request
        self.version = 0
        self.error: BaseException | None = None
        self.finished = False

    def finish(self, error: BaseException | None = None) -> None:
        self.error = error
        self.finished = True


class GroupCommitWriter:
    """The only writer of an index. Thread-safe.

    Args:
        folder: the folder of the engine; it is created if it does not exist.
        committed: called after each commit of the engine.
        merged: called after each merge with its duration in seconds.

    Raises:
        IndexLocked: another process writes the index.
        IndexCorrupt: a file is damaged; the text names it.
    """

    def __init__(
        self, folder: Path, committed: Callable[[], None], merged: Callable[[float], None]
    ) -> None:
        self._folder = folder
        self._committed = committed
        self._merged = merged
        self._writer = open_writer(folder, check_whole=True, merged=merged)
        self._pending: deque[_PendingUpdate] = deque()
        self._committing = threading.Lock()
        self._closed = False

    def commit(self, request: UpdateRequest) -> int:
        """Apply an update. When this returns, it is on the disk and visible to searches.

        Returns:
            The version of the index that contains the update.

        Raises:
            VersionMismatchError: the index does not have the expected version.
            IndexNotFoundError: the index is deleted.
            OSError: the disk is full or failing.
        """
        own = _PendingUpdate(request)
        self._pending.append(own)
        with self._committing:
            while not own.finished:
                self._commit_group(self._take_group())
        if own.error is not None:
            raise own.error
        return own.version

    def close(self) -> None:
        """Wait for the current commit, then refuse all later ones."""
        with self._committing:
            self._closed = True
            self._writer.close()

    def _take_group(self) -> list[_PendingUpdate]:
        """Take pending updates, the oldest first, up to `MAX_TERMS`."""
        group = [self._pending.popleft()]
        terms = _count_terms(group[0].request)
        while self._pending and terms < MAX_TERMS:
            group.append(self._pending.popleft())
            terms += _count_terms(group[-1].request)
        return group

    def _commit_group(self, group: list[_PendingUpdate]) -> None:
        try:
            self._commit(group)
        except BaseException as error:  # noqa: BLE001 - the waiting threads raise it
            for each in group:
                if not each.finished:
                    each.finish(error)

    def _commit(self, group: list[_PendingUpdate]) -> None:
        if self._closed:
            raise IndexNotFoundError
        try:
            self._apply(group)
        except WriterUnusable:
            # After a failure the writer does not know the state on the disk. A new one reads it.
            self._writer.close()
            # Without a manifest, a new writer would begin an empty index.
            (self._folder / MANIFEST_NAME).stat()
            self._writer = open_writer(self._folder, merged=self._merged)
            self._apply([each for each in group if not each.finished])

    def _apply(self, group: list[_PendingUpdate]) -> None:
        version = self._writer.position()
        changes: list[Change | ChangeBatch] = []
        metadata: dict[str, str] = {}
        accepted: list[_PendingUpdate] = []
        for each in group:
            if each.request.expected_version not in {None, version}:
                each.finish(VersionMismatchError())
                continue
            version += 1
            each.version = version
            changes += each.request.changes
            metadata.update(each.request.metadata)
            accepted.append(each)
        if accepted:
            self._writer.apply(changes, version, metadata=metadata)
            self._committed()
        for each in accepted:
            each.finish()


def _count_terms(request: UpdateRequest) -> int:
    return sum(change.terms.size for change in request.changes if not isinstance(change, Delete))
