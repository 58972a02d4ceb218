"""Where lookups get what they score: the words of candidates, and the tracks of those that hit.

Words come from the fingerprint store, if there is one and as far as it holds them, and otherwise
from rows of the database. The track always comes from the database, as merges change it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa
import structlog

from pipeline.catalog import fingerprints
from pipeline.catalog.fingerprints import Candidate, TrackName
from pipeline.fingerprint.words import Words
from pipeline.fingerprint_store import FingerprintStore, FingerprintStoreError, Found, StoreRow

logger = structlog.get_logger("acoustid.stages.fetch")


class Comparable(Protocol):
    """What a candidate is compared by."""

    @property
    def length(self) -> int:
        """Seconds of audio."""
        ...

    @property
    def words(self) -> Words:
        """uint32[n], read-only."""
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """The candidates of a batch of lookups.

    Attributes:
        found: those that have a length within the bounds, by fingerprint id.
    """

    found: Mapping[int, Comparable]
    _copies: Mapping[int, StoreRow]
    _rows: Mapping[int, Candidate]
    _connection: sa.Connection

    def tracks(self, ids: Iterable[int]) -> Mapping[int, TrackName]:
        """Return the tracks of fingerprints that were found, as they are now.

        A fingerprint that the database no longer has, or has with other words, is left out: the
        store may be behind by a deletion, or belong to another database.
        """
        wanted = set(ids)
        copied = wanted & self._copies.keys()
        tracks = {key: self._rows[key].track for key in wanted - copied}
        for key, each in fingerprints.identities(self._connection, copied).items():
            copy = self._copies[key]
            if (each.gid, each.length) == (copy.gid, copy.length):
                tracks[key] = each.track
            else:
                logger.warning("the fingerprint store holds another fingerprint", fingerprint=key)
        return tracks


def fetch(
    connection: sa.Connection,
    store: FingerprintStore | None,
    ids: Collection[int],
    shortest: int,
    longest: int,
) -> Fetched:
    """Fetch fingerprints to compare.

    Args:
        connection: to the fingerprint database.
        store: where to look first.
        ids: of the fingerprints.
        shortest: the least length of interest, in seconds.
        longest: the greatest.
    """
    copied = _copied(store, ids, shortest, longest)
    rows = fingerprints.candidates(connection, copied.missing, shortest, longest)
    found: dict[int, Comparable] = {**copied.rows, **rows}
    return Fetched(found, copied.rows, rows, connection)


def _copied(
    store: FingerprintStore | None, ids: Collection[int], shortest: int, longest: int
) -> Found:
    """Return what the store holds: nothing if there is none, or it can't be read."""
    if store is not None:
        try:
            return store.find(ids, shortest, longest)
        except (FingerprintStoreError, OSError) as error:
            logger.warning("the fingerprint store cannot be read", error=str(error))
    return Found({}, list(ids))
