"""Writes an index on a server in batches, each with the changelog position in its commit.

Servers with the same index replicate it, so only one of them is written. The server has no lock
for writers. Instead, every commit names the version that it is based on, and the server refuses
a commit that is based on an older version.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import structlog

from pipeline.index import Delete, Insert, StalePosition, changelog_metadata
from pipeline.index.errors import IndexUnavailable
from pipeline.index.sample_check import LIMIT, finds_each, least_score
from pipeline.index_http.protocol import (
    POSITION_KEY,
    IndexMissing,
    IndexState,
    ServerFailed,
    VersionConflict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

    from pipeline.index import Change, ChangelogState, Hits
    from pipeline.index_http.client import IndexServerClient

TIMEOUT: Final = 10.0
"""Maximum seconds for a commit; a task has 20."""

MAX_WEIGHT: Final = 1 << 21
"""Maximum number of terms in a request, at most 5 bytes each; a server accepts bodies of 16 MiB."""

CREATE_DELAY: Final = 2.0
"""Seconds before a missing index is created.

Until then every reader has requested the state again (`STATE_MAX_AGE`), so none searches the new
index as if it was the old one.
"""

_CHANGE_WEIGHT: Final = 4  # size of the id and the map of a change, in terms
_TRIES: Final = 5

logger = structlog.get_logger("acoustid.index_http.updater")


class HttpIndexUpdater:
    """Changes an index on a server. A context manager. Not thread-safe.

    A failed call may be repeated. Changes that have arrived are recognised by their position or
    sent again, with the same result.

    Every method raises `IndexUnavailable` if the server does not answer or if another writer
    changes the index at the same time, and `RequestRefused` if the server accepts no writes, such
    as a read-only replica.
    """

    def __init__(
        self, server: IndexServerClient, release: Callable[[], None] = lambda: None
    ) -> None:
        """Create the index if the server does not have it.

        Args:
            server: the server to write to.
            release: is called once by `close`, to unlock the index for other writers.
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

    def changelog_state(self) -> ChangelogState:
        """Return the part of the changelog that the index contains."""
        return self._current().changelog_state()

    def contains(self, sample: Mapping[int, NDArray[np.uint32]]) -> bool:
        """Return whether a search of the terms of each document of a sample finds its id."""
        try:
            return finds_each(self._search, sample)
        except (IndexMissing, ServerFailed) as error:
            raise IndexUnavailable(str(error)) from error

    def _search(self, terms: NDArray[np.uint32]) -> Hits:
        return self._server.search(terms, (LIMIT, least_score(terms), 100), TIMEOUT)

    def apply(
        self,
        changes: Sequence[Change],
        position: int,
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Commit a batch of changes together with their changelog position.

        A batch that is too large for one request is committed in several; the last one changes
        the position. An empty batch at the current position is not committed.

        Args:
            changes: the last one of an id wins.
            position: the position of the last change, not below the current position.
            metadata: merged into that of the index in the last commit, key by key.

        Raises:
            StalePosition: `position` is below that of the index.
        """
        begun = self.position()
        if position < begun:
            raise StalePosition(position, begun)
        if position == begun and not changes and not metadata:
            return
        *firsts, last = _parts(changes)
        for part in firsts:
            self._commit(part, begun)
        self._commit(last, position, metadata)

    def begin_filling(self, target: int) -> None:
        """Commit position 0, so that readers refuse the index until it has reached a position.

        Args:
            target: the position at which the content is complete.
        """
        self._commit([], 0, changelog_metadata(0, 0, target))

    def rebuild(
        self,
        batches: Iterable[Sequence[Change]],
        position: int,
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Replace the content with `batches`, while searches continue.

        The protocol cannot replace a whole index. If the index were deleted and filled again,
        searches would find nothing in the meantime. So every document overwrites its old version.
        Then the ids of the index that are not in `batches` are deleted. The position changes at the
        end. If the old position is above `position`, the index contains changes that the database
        does not have. Its position is then 0 until the rebuild is complete. If the old content is
        wrong, call `begin_filling` before.

        Args:
            batches: all documents, in any number of batches; later ones win.
            position: changelog position of the documents.
            metadata: merged into that of the index in the last commit, key by key.
        """
        self._state = None  # the lowest and highest id may have changed since the last request
        begun = self._current()
        claim = begun.position if begun.position <= position else 0
        missing = MissingIds(begun.min_document_id, begun.max_document_id)
        self._commit([], claim)
        for changes in batches:
            missing.add_present([change.id for change in changes if isinstance(change, Insert)])
            for part in _parts(changes):
                self._commit(part, claim)
        for ids in missing.chunks(MAX_WEIGHT // _CHANGE_WEIGHT):
            self._commit([Delete(id_) for id_ in ids], claim)
        self._commit([], position, metadata)

    def merging(self) -> bool:
        """Return False: the server schedules its merges itself."""
        return False

    def close(self) -> None:
        """Close the connection and unlock the index. May be called twice."""
        self._server.close()
        release, self._release = self._release, lambda: None
        release()

    def _commit(
        self,
        changes: Sequence[Change],
        position: int,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Commit changes, their changelog position and further metadata."""
        entries = {**(metadata or {}), POSITION_KEY: str(position)}
        for _ in range(_TRIES):
            state = self._current()
            self._state = None  # unknown until the server has confirmed the commit
            try:
                version = self._server.update(changes, entries, state.version, TIMEOUT)
            except VersionConflict:
                if self._was_committed(state.position, position):
                    return
            except IndexMissing as error:
                raise IndexUnavailable(f"{self._server}: the index was deleted") from error
            except ServerFailed as error:
                raise IndexUnavailable(str(error)) from error
            else:
                self._state = replace(
                    state,
                    version=version,
                    position=position,
                    metadata={**state.metadata, **entries},
                )
                return
        raise IndexUnavailable(f"{self._server}: other writers keep changing the index")

    def _was_committed(self, before: int, after: int) -> bool:
        """Return whether a version conflict comes from our own commit whose reply was lost.

        Raises:
            IndexUnavailable: another writer has changed the position; the changes may be outdated.
        """
        now = self._current().position
        if now not in {before, after}:
            raise IndexUnavailable(f"{self._server}: another writer moved the index to {now}")
        return now != before

    def _current(self) -> IndexState:
        """Return the cached state, or request it; create the index if the server has none."""
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
            logger.info("creating the index", server=str(self._server))
            time.sleep(CREATE_DELAY)
        self._server.create(TIMEOUT)
        try:
            return self._server.state(TIMEOUT)
        except IndexMissing as error:
            raise ServerFailed(str(error)) from error


def _parts(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    """Split changes, in order, into at least one part, each of which fits in a request."""
    first, weight = 0, 0
    for place, change in enumerate(changes):
        its_weight = _CHANGE_WEIGHT + (change.terms.size if isinstance(change, Insert) else 0)
        if weight and weight + its_weight > MAX_WEIGHT:
            yield changes[first:place]
            first, weight = place, 0
        weight += its_weight
    yield changes[first:]


class MissingIds:
    """The ids of a range that a rebuild did not write. Takes one byte per id of the range."""

    def __init__(self, lowest: int, highest: int) -> None:
        """Start with all ids missing.

        Args:
            lowest: first id of the range.
            highest: last id of the range; 0 for an empty range.
        """
        self._lowest = lowest
        self._present = np.zeros(highest - lowest + 1 if highest else 0, dtype=np.bool_)

    def add_present(self, ids: Sequence[int]) -> None:
        """Mark ids as present. Ids outside the range are ignored."""
        places = np.array(ids, dtype=np.int64) - self._lowest
        self._present[places[(places >= 0) & (places < self._present.size)]] = True

    def chunks(self, size: int) -> Iterator[list[int]]:
        """Yield the missing ids in ascending order, at most `size` at a time."""
        for start in range(0, self._present.size, size):
            places = np.flatnonzero(~self._present[start : start + size])
            if places.size:
                yield (places + (start + self._lowest)).tolist()
