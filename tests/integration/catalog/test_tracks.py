"""Tracks one at a time, through `TrackRepository`, over PostgreSQL."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from pipeline import TrackRepository
from pipeline.catalog.fingerprint import tables as fp
from pipeline.catalog.fingerprint.track_links import RecordingLink
from pipeline.catalog.fingerprint.track_merge import merge_tracks
from pipeline.catalog.fingerprint.tracks import Track, TrackWithMbids
from pipeline.runtime.databases import Databases

MBID, OTHER = (UUID(f"5d1f0c5e-3333-4aaa-8aaa-{n:012}") for n in (1, 2))


@pytest.fixture
def connection(databases: Databases) -> Iterator[sa.Connection]:
    with databases.engine("fingerprint").connect() as connection:
        yield connection


@pytest.fixture
def tracks(connection: sa.Connection) -> TrackRepository:
    return TrackRepository(connection)


def test_a_created_track_is_found_by_both_ids(tracks: TrackRepository) -> None:
    """A new track has a gid and was not merged."""
    first, second = tracks.create(), tracks.create()
    assert first.new_id is None
    assert first.gid != second.gid
    assert tracks.get_by_id(first.id) == first
    assert tracks.get_by_gid(second.gid) == second


def test_an_unknown_track_is_none(tracks: TrackRepository) -> None:
    """No method raises for a track that does not exist."""
    assert tracks.get_by_id(1) is None
    assert tracks.get_by_gid(uuid4()) is None
    assert tracks.get_with_mbids(1) is None


def test_the_caller_commits(tracks: TrackRepository, connection: sa.Connection) -> None:
    """A rollback of the caller removes what the repository wrote."""
    track = tracks.create()
    connection.rollback()
    assert tracks.get_by_id(track.id) is None


def test_a_linked_mbid_is_shown_without_a_submission(tracks: TrackRepository) -> None:
    """A link that no submission confirmed counts none; a second call changes nothing."""
    track = tracks.create()
    link = tracks.link_mbid(track.id, MBID)
    assert (link.track_id, link.mbid, link.submission_count) == (track.id, MBID, 0)
    assert tracks.link_mbid(track.id, MBID) == link
    shown = TrackWithMbids(track, (RecordingLink(str(MBID), 0),))
    assert tracks.get_with_mbids(track.id) == shown


def test_a_disabled_link_stays_disabled_and_hidden(
    tracks: TrackRepository, connection: sa.Connection
) -> None:
    """Linking a disabled MBID again returns the disabled link."""
    track = tracks.create()
    tracks.link_mbid(track.id, MBID)
    tracks.link_mbid(track.id, OTHER)
    connection.execute(sa.update(fp.track_mbid).filter_by(mbid=MBID).values(disabled=True))
    assert tracks.link_mbid(track.id, MBID).disabled
    found = tracks.get_with_mbids(track.id)
    assert found is not None
    assert [link.mbid for link in found.mbids] == [str(OTHER)]


def test_an_mbid_is_not_linked_to_an_unknown_track(tracks: TrackRepository) -> None:
    """The foreign key refuses it."""
    with pytest.raises(sa.exc.IntegrityError):
        tracks.link_mbid(1, MBID)


def test_a_merged_track_shows_its_target(
    tracks: TrackRepository, connection: sa.Connection, databases: Databases
) -> None:
    """A merged track is still found, with the id of the track that it was merged into."""
    target, source = tracks.create(), tracks.create()
    connection.commit()
    merge_tracks(databases, target.id, [source.id])
    merged = Track(source.id, source.gid, target.id)
    assert tracks.get_by_id(source.id) == merged
    assert tracks.get_by_gid(source.gid) == merged
