"""Updates of many threads, made durable in few commits of the engine.

A commit waits for the disk several times. What arrives meanwhile waits for the lock, and whoever
gets it next commits all of it at once. Each update keeps a version of its own, and they take effect
in the order of their versions.
"""

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from index_server.errors import IndexNotFoundError, VersionMismatchError
from index_server.http.requests import Update
from pipeline.index import Change, Insert, WriterUnusable, open_writer

MAX_TERMS: Final = 1 << 22
"""Terms at which a commit takes no further updates: what it holds in memory stays bounded."""


class _Waiting:
    """An update and, once it is decided, what became of it."""

    def __init__(self, update: Update) -> None:
        self.update = update
        self.version = 0
        self.error: BaseException | None = None
        self.decided = False

    def decide(self, error: BaseException | None = None) -> None:
        self.error = error
        self.decided = True


class Commits:
    """The one writer of an index, for any number of threads.

    Args:
        folder: the index's; it is created if there is none.
        committed: called after each commit of the engine.
        merged: told of every merge how many seconds it took.

    Raises:
        IndexLocked: another process writes the index.
        IndexCorrupt: a file is damaged; it is named.
    """

    def __init__(
        self, folder: Path, committed: Callable[[], None], merged: Callable[[float], None]
    ) -> None:
        self._folder = folder
        self._committed = committed
        self._merged = merged
        self._writer = open_writer(folder, merged=merged)
        self._waiting: deque[_Waiting] = deque()
        self._committing = threading.Lock()
        self._closed = False

    def commit(self, update: Update) -> int:
        """Apply an update; when this returns it survives a power cut, and searches see it.

        Returns:
            The version of the index that has it.

        Raises:
            VersionMismatchError: the index is at another version than expected.
            IndexNotFoundError: the index is deleted.
            OSError: the disk is full or failing.
        """
        own = _Waiting(update)
        self._waiting.append(own)
        with self._committing:
            while not own.decided:
                self._commit_together(self._take())
        if own.error is not None:
            raise own.error
        return own.version

    def close(self) -> None:
        """Let the commit under way end, and refuse every later one."""
        with self._committing:
            self._closed = True
            self._writer.close()

    def _take(self) -> list[_Waiting]:
        """Take what waits, the oldest first, up to `MAX_TERMS`."""
        taken = [self._waiting.popleft()]
        terms = _weight(taken[0].update)
        while self._waiting and terms < MAX_TERMS:
            taken.append(self._waiting.popleft())
            terms += _weight(taken[-1].update)
        return taken

    def _commit_together(self, taken: list[_Waiting]) -> None:
        try:
            self._commit(taken)
        except BaseException as error:  # noqa: BLE001 - whoever waits for it raises it
            for each in taken:
                if not each.decided:
                    each.decide(error)

    def _commit(self, taken: list[_Waiting]) -> None:
        if self._closed:
            raise IndexNotFoundError
        try:
            self._apply(taken)
        except WriterUnusable:
            # An earlier failure left it unsure of what the disk holds; a new one reads it there.
            self._writer.close()
            self._writer = open_writer(self._folder, merged=self._merged)
            self._apply([each for each in taken if not each.decided])

    def _apply(self, taken: list[_Waiting]) -> None:
        version = self._writer.position()
        changes: list[Change] = []
        metadata: dict[str, str] = {}
        accepted: list[_Waiting] = []
        for each in taken:
            if each.update.expected_version not in {None, version}:
                each.decide(VersionMismatchError())
                continue
            version += 1
            each.version = version
            changes += each.update.changes
            metadata.update(each.update.metadata)
            accepted.append(each)
        if accepted:
            self._writer.apply(changes, version, metadata=metadata)
            self._committed()
        for each in accepted:
            each.decide()


def _weight(update: Update) -> int:
    return sum(change.terms.size for change in update.changes if isinstance(change, Insert))
