"""Where lookups get what they score: the words of candidates, and the tracks of those that hit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from pipeline.catalog import fingerprints
from pipeline.catalog.fingerprints import Candidate, TrackName
from pipeline.fingerprint.words import Words


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


class Fetched(Protocol):
    """The candidates of a batch."""

    @property
    def found(self) -> Mapping[int, Comparable]:
        """Those that exist and have a length within the bounds, by fingerprint id."""
        ...

    def tracks(self, ids: Iterable[int]) -> Mapping[int, TrackName]:
        """Return the tracks of some that were found, by fingerprint id, as they are now.

        One that is missing is no longer what it was compared as.
        """
        ...


@dataclass(frozen=True, slots=True)
class _FetchedRows:
    """Candidates whose rows tell everything."""

    found: Mapping[int, Candidate]

    def tracks(self, ids: Iterable[int]) -> Mapping[int, TrackName]:
        return {key: self.found[key].track for key in ids}


def fetch(connection: sa.Connection, ids: Iterable[int], shortest: int, longest: int) -> Fetched:
    """Fetch fingerprints to compare.

    Args:
        connection: to the fingerprint database.
        ids: of the fingerprints.
        shortest: the least length of interest, in seconds.
        longest: the greatest.
    """
    return _FetchedRows(fingerprints.candidates(connection, ids, shortest, longest))
