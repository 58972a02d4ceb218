"""Stored fingerprints as the scoring stages read them: words ready for NumPy, few statements."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from pipeline.catalog.bulk import listed
from pipeline.catalog.fingerprint.tables import fingerprint, fpindex_changelog, track


@dataclass(frozen=True, slots=True)
class StoredFingerprint:
    """A fingerprint of the catalogue."""

    id: int
    track_id: int
    length: int  # seconds of audio
    words: NDArray[np.uint32]  # shape (n,), read-only


@dataclass(frozen=True, slots=True)
class TrackName:
    """A track by its two ids."""

    id: int
    gid: str  # in lower case, with hyphens


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fingerprint that a lookup may have asked for."""

    length: int  # seconds of audio
    words: NDArray[np.uint32]  # shape (n,), read-only
    track: TrackName


_COLUMNS: Final = tuple(fingerprint.c[name] for name in StoredFingerprint.__slots__)
_IDS: Final = sa.bindparam("ids", type_=sa.ARRAY(sa.Integer))


def by_ids(
    connection: sa.Connection, ids: Iterable[int], shortest: int, longest: int
) -> dict[int, StoredFingerprint]:
    """Return the fingerprints with these ids and a length within the bounds (seconds), by id."""
    wanted = list(ids)
    if not wanted:
        return {}
    statement = sa.select(*_COLUMNS).where(
        fingerprint.c.id == sa.any_(sa.cast(wanted, sa.ARRAY(sa.Integer))),
        fingerprint.c.length.between(shortest, longest),
    )
    return {row.id: _stored(row) for row in connection.execute(statement)}


def candidates(
    connection: sa.Connection, ids: Iterable[int], shortest: int, longest: int
) -> dict[int, Candidate]:
    """Return what scoring needs of the fingerprints with a length within the bounds, by id."""
    wanted = list(ids)
    if not wanted:
        return {}
    return {
        row.id: Candidate(
            row.length, np.frombuffer(row.words, dtype="<u4"), TrackName(row.track_id, row.gid)
        )
        for row in connection.execute(
            _candidates(), {"ids": wanted, "shortest": shortest, "longest": longest}
        )
    }


@cache
def _candidates() -> sa.Select[Any]:
    """Return the statement of every lookup."""
    return (
        sa.select(*_COLUMNS, sa.cast(track.c.gid, sa.Text).label("gid"))
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
    """Return the fingerprints that have a length within their own bounds, by id.

    Args:
        connection: to the fingerprint database.
        spans: the shortest and the longest length (seconds) of interest, by fingerprint id.
    """
    if not spans:
        return {}
    shortest, longest = zip(*spans.values(), strict=True)
    wanted = listed(
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
    statement = sa.select(*_COLUMNS).where(
        fingerprint.c.track_id == sa.any_(sa.cast(wanted, sa.ARRAY(sa.Integer)))
    )
    return [_stored(row) for row in connection.execute(statement)]


def logged_after(
    connection: sa.Connection, position: int, limit: int | None = None
) -> tuple[list[StoredFingerprint], int]:
    """Return the fingerprints that the changelog names after a position, and the new position.

    The changelog's ids are in commit order, so whoever has these and the index up to `position`
    has everything up to the position returned.
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


def twins(connection: sa.Connection, gids: Iterable[UUID]) -> dict[UUID, list[int]]:
    """Return the ids of the fingerprints whose words have these identities."""
    statement = (
        sa.select(fingerprint.c.gid, sa.func.array_agg(fingerprint.c.id))
        .where(fingerprint.c.gid == sa.any_(sa.cast(list(gids), sa.ARRAY(sa.UUID))))
        .group_by(fingerprint.c.gid)
    )
    return dict(connection.execute(statement).all())


def current_tracks(connection: sa.Connection, ids: Iterable[int]) -> dict[int, int]:
    """Return the track id of each of these fingerprints that exists, by fingerprint id."""
    wanted = list(ids)
    if not wanted:
        return {}
    statement = sa.select(fingerprint.c.id, fingerprint.c.track_id).where(
        fingerprint.c.id == sa.any_(sa.cast(wanted, sa.ARRAY(sa.Integer)))
    )
    return dict(connection.execute(statement).all())


def track_gids(connection: sa.Connection, track_ids: Iterable[int]) -> Mapping[int, UUID]:
    """Return the public ids of tracks by their ids."""
    wanted = list(track_ids)
    if not wanted:
        return {}
    statement = sa.select(track.c.id, track.c.gid).where(
        track.c.id == sa.any_(sa.cast(wanted, sa.ARRAY(sa.Integer)))
    )
    return dict(connection.execute(statement).all())


def resolve_tracks(connection: sa.Connection, gids: Iterable[UUID]) -> Mapping[UUID, int]:
    """Return the ids of the tracks with these public ids, one redirect of a merge followed."""
    wanted = list(gids)
    if not wanted:
        return {}
    statement = sa.select(track.c.gid, sa.func.coalesce(track.c.new_id, track.c.id)).where(
        track.c.gid == sa.any_(sa.cast(wanted, sa.ARRAY(sa.UUID)))
    )
    return dict(connection.execute(statement).all())


def _stored(row: sa.Row[Any]) -> StoredFingerprint:
    return StoredFingerprint(
        row.id, row.track_id, row.length, np.frombuffer(row.words, dtype="<u4")
    )
