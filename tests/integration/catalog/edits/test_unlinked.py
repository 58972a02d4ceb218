"""A link that an edit disabled stays disabled in merges of MBIDs and of tracks."""

from collections.abc import Callable
from uuid import UUID

import pytest
import sqlalchemy as sa

from pipeline.catalog.edits.fingerprint_edits import split_track
from pipeline.catalog.edits.link_edits import link_mbid, unlink_mbid
from pipeline.catalog.edits.undo import undo_edit
from pipeline.catalog.fingerprint.mbid_disable import disable_mbid
from pipeline.catalog.fingerprint.mbid_merge import merge_mbids
from pipeline.catalog.fingerprint.tables import track_mbid
from pipeline.catalog.fingerprint.track_merge import merge_tracks
from tests.integration.catalog.edits.conftest import AUTHOR, MBID, OTHER, Catalogue
from tests.support.catalogue.synthetic import fingerprint, near_copy

OLD = UUID("5d1f0c5e-4444-4aaa-8aaa-000000000001")
THIRD = near_copy(fingerprint(1), 3, 0.05)


def submit_old_mbid(catalogue: Catalogue) -> UUID:
    """Submit an MBID that MusicBrainz redirects to `MBID`, and follow the redirect."""
    gid = catalogue.submit(3, words=THIRD, mbid=OLD)
    merge_mbids(catalogue.databases, OLD, MBID)
    return gid


def merge_linked_track(catalogue: Catalogue) -> UUID:
    """Merge the track of fingerprint 3 into another one whose link to `MBID` is enabled."""
    gid = catalogue.submit(0, words=fingerprint(50), mbid=MBID)
    source = catalogue.submit(3, words=THIRD, mbid=OTHER)
    merge_tracks(catalogue.databases, gid, [source])
    return gid


MERGES = [submit_old_mbid, merge_linked_track]
Merge = Callable[[Catalogue], UUID]


@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("moved", [(), (3,), (1, 3)], ids=["no split", "divided", "moved"])
def test_an_unlinked_mbid_stays_disabled(
    catalogue: Catalogue, merge: Merge, moved: tuple[int, ...]
) -> None:
    unlink_mbid(catalogue.databases, AUTHOR, catalogue.gid, MBID)
    if moved:
        split_track(catalogue.databases, AUTHOR, catalogue.gid, moved)
    track_id = catalogue.track_id(merge(catalogue))
    assert catalogue.links(track_id)[MBID][1]
    row = {"track_id": track_id, "mbid": UUID(int=1), "submission_count": 1, "disabled": False}
    with catalogue.databases.engine("fingerprint").begin() as connection:
        connection.execute(sa.insert(track_mbid).values(row))
    merge_mbids(catalogue.databases, UUID(int=1), MBID)
    assert catalogue.links(track_id)[MBID][1]


@pytest.mark.parametrize("merge", MERGES)
def test_a_link_that_an_edit_enabled_and_a_task_disabled_is_enabled(
    catalogue: Catalogue, merge: Merge
) -> None:
    databases, gid = catalogue.databases, catalogue.gid
    undo_edit(databases, AUTHOR, unlink_mbid(databases, AUTHOR, gid, MBID))
    unlink_mbid(databases, AUTHOR, gid, MBID)
    link_mbid(databases, AUTHOR, gid, MBID)
    unlink_mbid(databases, AUTHOR, gid, OTHER)
    disable_mbid(databases, MBID, "gone")
    track_id = catalogue.track_id(merge(catalogue))
    assert not catalogue.links(track_id)[MBID][1]
    assert catalogue.links(track_id)[OTHER][1]
