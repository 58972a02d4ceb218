"""Tracks: finding, creating and locking their rows, and linking them to MBIDs.

The functions work on many tracks in one statement, as the stages need them. `TrackRepository`
does the same for one track at a time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

import sqlalchemy as sa

from pipeline.catalog.bulk_statements import insert_numbered, is_one_of
from pipeline.catalog.fingerprint import mbid_links, track_links
from pipeline.catalog.fingerprint.mbid_links import MbidLink
from pipeline.catalog.fingerprint.tables import track
from pipeline.catalog.fingerprint.track_links import RecordingLink

TrackName = int | UUID  # a track's id or its gid


@dataclass(frozen=True, slots=True)
class Track:
    """A row of the table ``track``.

    Attributes:
        id: the number that other tables refer to.
        gid: the id that clients see.
        new_id: id of the track that this one was merged into; None if it was not.
    """

    id: int
    gid: UUID
    new_id: int | None


@dataclass(frozen=True, slots=True)
class TrackWithMbids:
    """A track and its enabled links to MusicBrainz recordings, by MBID."""

    track: Track
    mbids: tuple[RecordingLink, ...]


class TrackRepository:
    """Finds and creates tracks one at a time, and links them to MBIDs.

    Args:
        connection: a connection to the fingerprint database. The caller commits.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get_by_id(self, track_id: int) -> Track | None:
        """Return the track with an id, merged or not; None if there is none."""
        return find_tracks(self._connection, [track_id]).get(track_id)

    def get_by_gid(self, gid: UUID) -> Track | None:
        """Return the track with a public id, merged or not; None if there is none."""
        return find_tracks(self._connection, [gid]).get(gid)

    def get_with_mbids(self, track_id: int) -> TrackWithMbids | None:
        """Return a track with the MBIDs that lookups show for it; None if there is none."""
        found = self.get_by_id(track_id)
        if found is None:
            return None
        links = track_links.enabled_links(self._connection, [track_id])
        return TrackWithMbids(found, tuple(links.get(track_id, ())))

    def create(self) -> Track:
        """Insert a track with a random public id. Lookups find it once it has fingerprints."""
        [track_id] = insert_tracks(self._connection, 1)
        return find_tracks(self._connection, [track_id])[track_id]

    def link_mbid(self, track_id: int, mbid: UUID) -> MbidLink:
        """Return a track's link to an MBID, inserting it if it is missing.

        A new link is enabled and no submission has confirmed it, so its `submission_count` is 0.
        A link that is disabled or merged stays so.

        Raises:
            sqlalchemy.exc.IntegrityError: there is no such track.
        """
        [link] = mbid_links.add_links(self._connection, mbid, {track_id: False})
        return link


def find_tracks(
    connection: sa.Connection, references: Iterable[TrackName], *, lock: bool = False
) -> dict[TrackName, Track]:
    """Return the tracks that exist, each by its id and by its gid.

    Args:
        connection: a connection to the fingerprint database.
        references: ids, gids or both.
        lock: whether the rows stay locked until the transaction ends; in the order of their ids.
    """
    wanted = list(references)
    statement = (
        sa.select(track.c.id, track.c.gid, track.c.new_id)
        .where(
            is_one_of(track.c.id, (each for each in wanted if isinstance(each, int)))
            | is_one_of(track.c.gid, (each for each in wanted if isinstance(each, UUID)))
        )
        .order_by(track.c.id)
    )
    if lock:
        statement = statement.with_for_update()
    rows = [Track(*row) for row in connection.execute(statement)]
    return {reference: row for row in rows for reference in (row.id, row.gid)}


def find_current_track(
    connection: sa.Connection, name: TrackName, *, lock: bool = False
) -> Track | None:
    """Return a track; for a merged track the target of the merge; None if there is none.

    Args:
        connection: a connection to the fingerprint database.
        name: id or gid of the track.
        lock: whether the row of the result stays locked until the transaction ends.
    """
    found = find_tracks(connection, [name]).get(name)
    if found is None or (found.new_id is None and not lock):
        return found
    current = found.id if found.new_id is None else found.new_id
    return find_tracks(connection, [current], lock=lock)[current]


def find_merged_tracks(connection: sa.Connection, track_ids: Iterable[int]) -> list[int]:
    """Return the ids of the tracks that were merged into any of these tracks."""
    statement = sa.select(track.c.id).where(is_one_of(track.c.new_id, track_ids))
    return list(connection.execute(statement).scalars())


def insert_tracks(connection: sa.Connection, count: int) -> list[int]:
    """Insert tracks with random public ids; return their ids."""
    return insert_numbered(connection, track, [{"gid": uuid4()} for _ in range(count)])


def track_gids(connection: sa.Connection, track_ids: Iterable[int]) -> Mapping[int, UUID]:
    """Return the public ids of tracks by their ids."""
    wanted = list(track_ids)
    if not wanted:
        return {}
    statement = sa.select(track.c.id, track.c.gid).where(is_one_of(track.c.id, wanted))
    return dict(connection.execute(statement).all())


def resolve_tracks(connection: sa.Connection, gids: Iterable[UUID]) -> Mapping[UUID, int]:
    """Return track ids by public id; for a merged track the id of the track it was merged into."""
    wanted = list(gids)
    if not wanted:
        return {}
    current = sa.func.coalesce(track.c.new_id, track.c.id)
    statement = sa.select(track.c.gid, current).where(is_one_of(track.c.gid, wanted))
    return dict(connection.execute(statement).all())
