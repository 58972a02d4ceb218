"""Reads stored fingerprints for the scoring stages, with their words as NumPy arrays.

The public algorithm uses only the first words of a fingerprint, see
`pipeline.fingerprint.public_part`. So only these are read, unless a function says otherwise. The
database reads no more of a long fingerprint than these.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from pipeline.catalog.bulk_statements import array_rows, is_one_of
from pipeline.catalog.fingerprint.tables import fingerprint, fpindex_changelog, track
from pipeline.fingerprint.public_part import LONGEST, PUBLIC_WORDS

_WORD: Final = 4  # bytes


def _first_words(count: sa.ColumnElement[int]) -> sa.Label[bytes]:
    """Select the first words. Words are stored uncompressed, so the rest is not read."""
    part = sa.func.substring(fingerprint.c.words, 1, _WORD * count, type_=sa.LargeBinary)
    return part.label("words")


@dataclass(frozen=True, slots=True)
class StoredFingerprint:
    """A fingerprint of the catalogue.

    Attributes:
        id: its id.
        track_id: the id of its track.
        length: seconds of audio.
        words: uint32[n], read-only; the first ones or all, as the function says that returns it.
        size: number of all its words.
    """

    id: int
    track_id: int
    length: int
    words: NDArray[np.uint32]
    size: int


@dataclass(frozen=True, slots=True)
class TrackIds:
    """The two ids of a track."""

    id: int
    gid: str  # in lower case, with hyphens


@dataclass(frozen=True, slots=True)
class CandidateFingerprint:
    """A stored fingerprint that is compared with that of a lookup."""

    length: int  # seconds of audio
    words: NDArray[np.uint32]  # shape (n,), read-only; the first ones or all
    track: TrackIds


_SIZE: Final = (sa.func.octet_length(fingerprint.c.words, type_=sa.Integer) // _WORD).label("size")
_KEYS: Final = (fingerprint.c.id, fingerprint.c.track_id, fingerprint.c.length)
_WHOLE: Final[tuple[sa.ColumnElement[Any], ...]] = (*_KEYS, fingerprint.c.words, _SIZE)
_COLUMNS: Final[tuple[sa.ColumnElement[Any], ...]] = (
    *_KEYS,
    _first_words(sa.literal(PUBLIC_WORDS)),
    _SIZE,
)
_IDS: Final = sa.bindparam("ids", type_=sa.ARRAY(sa.Integer))


def by_ids(
    connection: sa.Connection, ids: Iterable[int], shortest: int, longest: int
) -> dict[int, StoredFingerprint]:
    """Return the whole fingerprints with these ids and a length within the bounds (seconds)."""
    wanted = list(ids)
    if not wanted:
        return {}
    statement = sa.select(*_WHOLE).where(
        is_one_of(fingerprint.c.id, wanted), fingerprint.c.length.between(shortest, longest)
    )
    return {row.id: _stored(row) for row in connection.execute(statement)}


def candidates(
    connection: sa.Connection,
    ids: Iterable[int],
    shortest: int,
    longest: int,
    most_words: int | None = None,
) -> dict[int, CandidateFingerprint]:
    """Return the fingerprints with a length within the bounds and their tracks, by id.

    Args:
        connection: a connection to the fingerprint database.
        ids: the ids of the fingerprints.
        shortest: minimum length, in seconds.
        longest: maximum length, in seconds.
        most_words: number of words that are read of each, from the first one; None for all.
    """
    wanted = list(ids)
    if not wanted:
        return {}
    return {
        row.id: CandidateFingerprint(
            row.length, np.frombuffer(row.words, dtype="<u4"), TrackIds(row.track_id, row.gid)
        )
        for row in connection.execute(
            _candidates(),
            {
                "ids": wanted,
                "shortest": shortest,
                "longest": longest,
                "most_words": LONGEST if most_words is None else most_words,
            },
        )
    }


@cache  # built once, because every lookup runs it
def _candidates() -> sa.Select[Any]:
    return (
        sa.select(
            *_KEYS,
            _first_words(sa.bindparam("most_words", type_=sa.Integer)),
            sa.cast(track.c.gid, sa.Text).label("gid"),
        )
        .join_from(fingerprint, track, fingerprint.c.track_id == track.c.id)
        .where(
            fingerprint.c.id == sa.any_(_IDS),
            # Lengths are 16 bits wide, bounds may be wider.
            fingerprint.c.length.between(
                sa.bindparam("shortest", type_=sa.Integer),
                sa.bindparam("longest", type_=sa.Integer),
            ),
        )
    )


def within(
    connection: sa.Connection, spans: Mapping[int, tuple[int, int]]
) -> dict[int, StoredFingerprint]:
    """Return the fingerprints whose length is within the bounds given for each, by id.

    Args:
        connection: a connection to the fingerprint database.
        spans: minimum and maximum length (seconds) by fingerprint id.
    """
    if not spans:
        return {}
    shortest, longest = zip(*spans.values(), strict=True)
    wanted = array_rows(
        "wanted",
        {
            "id": (sa.Integer, spans),
            "shortest": (sa.Integer, shortest),
            "longest": (sa.Integer, longest),
        },
    )
    statement = sa.select(*_COLUMNS).join_from(
        fingerprint,
        wanted,
        (fingerprint.c.id == wanted.c.id)
        & fingerprint.c.length.between(wanted.c.shortest, wanted.c.longest),
    )
    return {row.id: _stored(row) for row in connection.execute(statement)}


def of_tracks(connection: sa.Connection, track_ids: Iterable[int]) -> list[StoredFingerprint]:
    """Return all fingerprints of these tracks."""
    wanted = list(track_ids)
    if not wanted:
        return []
    statement = sa.select(*_COLUMNS).where(is_one_of(fingerprint.c.track_id, wanted))
    return [_stored(row) for row in connection.execute(statement)]


def logged_after(
    connection: sa.Connection, position: int, limit: int | None = None
) -> tuple[list[StoredFingerprint], int]:
    """Return the fingerprints of the changelog entries after a position, and the last position.

    Changelog ids are in commit order. So these fingerprints and an index at `position` together
    contain everything that was committed up to the last position.

    Args:
        connection: a connection to the fingerprint database.
        position: the position of the last entry that is left out.
        limit: maximum number of entries; None for all.
    """
    statement = (
        sa.select(fpindex_changelog.c.id.label("position"), *_COLUMNS)
        .outerjoin_from(
            fpindex_changelog, fingerprint, fpindex_changelog.c.fingerprint_id == fingerprint.c.id
        )
        .where(fpindex_changelog.c.id > position)
        .order_by(fpindex_changelog.c.id)
        .limit(limit)
    )
    rows = connection.execute(statement).all()
    stored = {row.id: _stored(row) for row in rows if row.id is not None}
    return list(stored.values()), rows[-1].position if rows else position


def equal_fingerprints(connection: sa.Connection, gids: Iterable[UUID]) -> dict[UUID, list[int]]:
    """Return the ids of the fingerprints with the same words, by the identity of the words.

    Args:
        connection: a connection to the fingerprint database.
        gids: the identities of words, see `pipeline.fingerprint.identity.fingerprint_gid`.
    """
    statement = (
        sa.select(fingerprint.c.gid, sa.func.array_agg(fingerprint.c.id))
        .where(is_one_of(fingerprint.c.gid, gids))
        .group_by(fingerprint.c.gid)
    )
    return dict(connection.execute(statement).all())


def current_tracks(connection: sa.Connection, ids: Iterable[int]) -> dict[int, int]:
    """Return the track ids of the fingerprints that exist, by fingerprint id."""
    wanted = list(ids)
    if not wanted:
        return {}
    statement = sa.select(fingerprint.c.id, fingerprint.c.track_id).where(
        is_one_of(fingerprint.c.id, wanted)
    )
    return dict(connection.execute(statement).all())


def _stored(row: sa.Row[Any]) -> StoredFingerprint:
    return StoredFingerprint(
        row.id, row.track_id, row.length, np.frombuffer(row.words, dtype="<u4"), row.size
    )
