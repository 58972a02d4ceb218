"""Writes an index on a server: batches of changes, each with the changelog position in its commit.

Servers that hold the same index follow one feed, so one of them is written and the others get it
from there. What makes writing safe without a lock on the server is that every commit names the
version it was made for: whoever did not see the last commit is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from pipeline.index import Delete, Insert, StalePosition
from pipeline.index_http.absent import AbsentDocuments
from pipeline.index_http.errors import (
    IndexMissing,
    IndexUnavailable,
    ServerFailed,
    VersionConflict,
)
from pipeline.index_http.wire import POSITION_KEY, IndexState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

    from pipeline.index import Change
    from pipeline.index_http.server import IndexServer

TIMEOUT: Final = 10.0
"""Seconds that a commit may take; a task has 20."""

MAX_WEIGHT: Final = 1 << 21
"""Terms in one request: at most 5 bytes each, of the 16 MiB that a server takes."""

_CHANGE_WEIGHT: Final = 4  # of a change's id and braces, in terms
_TRIES: Final = 5

logger = structlog.get_logger("acoustid.index_http")


class HttpIndexUpdater:
    """Changes an index on a server; a context manager. Not for use by several threads.

    A call that fails may be repeated: what it sent is known by its position or sent again, which
    changes nothing.

    Every method raises `IndexUnavailable` if the server does not answer, or if others write at
    the same time; and `RequestRefused` if it takes no writes, such as a read-only replica.
    """

    def __init__(self, server: IndexServer, release: Callable[[], None] = lambda: None) -> None:
        """Create the index unless the server has it.

        Args:
            server: to write to.
            release: called once by `close`, to let another writer in.
        """
        self._server = server
        self._release = release
        self._state: IndexState | None = None
        self._current()

    def __enter__(self) -> HttpIndexUpdater:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def position(self) -> int:
        """Return the changelog position of the last commit."""
        return self._current().position

    def apply(self, changes: Sequence[Change], position: int) -> None:
        """Commit a batch of changes together with the position they lead up to.

        A batch too large for one request is committed in several, the last of which moves the
        position. No changes at the current position are no commit.

        Args:
            changes: the last one of an id wins.
            position: not below the current position.

        Raises:
            StalePosition: `position` lies before the index's own.
        """
        begun = self.position()
        if position < begun:
            raise StalePosition(position, begun)
        if position == begun and not changes:
            return
        *firsts, last = _parts(changes)
        for part in firsts:
            self._commit(part, begun)
        self._commit(last, position)

    def rebuild(self, batches: Iterable[Sequence[Change]], position: int) -> None:
        """Make the content what `batches` come to, without taking away what searches find.

        The protocol cannot put a whole index in the place of another, and one that is deleted and
        filled again finds nothing meanwhile. So every document is written over the old one, and
        then the ids between the index's lowest and highest that were not among them are deleted.
        The position stays where it is until then, unless it lies beyond `position`: such an index
        knows changes that there were not, so it stands at 0 until it is complete.

        Args:
            batches: all documents, in any number of batches; later ones win.
            position: the position that they lead up to.
        """
        self._state = None  # what is known of the ids is as old as the last request for it
        begun = self._current()
        claim = begun.position if begun.position <= position else 0
        absent = AbsentDocuments(begun.min_document_id, begun.max_document_id)
        self._commit([], claim)
        for changes in batches:
            absent.see([change.id for change in changes if isinstance(change, Insert)])
            for part in _parts(changes):
                self._commit(part, claim)
        for ids in absent.chunks(MAX_WEIGHT // _CHANGE_WEIGHT):
            self._commit([Delete(id_) for id_ in ids], claim)
        self._commit([], position)

    def merging(self) -> bool:
        """Return False: a server merges by itself."""
        return False

    def close(self) -> None:
        """Close the connection and let another writer in. Closing twice is no error."""
        self._server.close()
        release, self._release = self._release, lambda: None
        release()

    def _commit(self, changes: Sequence[Change], position: int) -> None:
        """Commit changes and the position they lead up to."""
        for _ in range(_TRIES):
            state = self._current()
            self._state = None  # until the server has said what became of the commit
            try:
                version = self._server.update(
                    changes, {POSITION_KEY: str(position)}, state.version, TIMEOUT
                )
            except VersionConflict:
                if self._has_arrived(state.position, position):
                    return
            except IndexMissing as error:
                raise IndexUnavailable(f"{self._server}: the index was deleted") from error
            except ServerFailed as error:
                raise IndexUnavailable(str(error)) from error
            else:
                self._state = replace(state, version=version, position=position)
                return
        raise IndexUnavailable(f"{self._server}: others keep writing to the index")

    def _has_arrived(self, before: int, after: int) -> bool:
        """Find out, when the version has moved, whether it was by a commit whose reply got lost.

        Raises:
            IndexUnavailable: it was by another writer, and the changes may be out of date.
        """
        now = self._current().position
        if now not in {before, after}:
            raise IndexUnavailable(f"{self._server}: another writer moved the index to {now}")
        return now != before

    def _current(self) -> IndexState:
        """Return the state of the index, asked for unless it is known, created if there is none."""
        if self._state is None:
            try:
                self._state = self._find_or_create()
            except ServerFailed as error:
                raise IndexUnavailable(str(error)) from error
        return self._state

    def _find_or_create(self) -> IndexState:
        try:
            return self._server.state(TIMEOUT)
        except IndexMissing:
            logger.info("the index is created", server=str(self._server))
        self._server.create(TIMEOUT)
        try:
            return self._server.state(TIMEOUT)
        except IndexMissing as error:
            raise ServerFailed(str(error)) from error


def _parts(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    """Cut changes, in order, into parts that fit in a request each; at least one part."""
    first, weight = 0, 0
    for place, change in enumerate(changes):
        its_weight = _CHANGE_WEIGHT + (change.terms.size if isinstance(change, Insert) else 0)
        if weight and weight + its_weight > MAX_WEIGHT:
            yield changes[first:place]
            first, weight = place, 0
        weight += its_weight
    yield changes[first:]
