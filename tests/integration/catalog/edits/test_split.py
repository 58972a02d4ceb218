"""A split moves links with the submissions of the moved fingerprints."""

from uuid import UUID

import pytest
import sqlalchemy as sa

from pipeline.catalog.edits.fingerprint_edits import split_track
from pipeline.catalog.edits.link_edits import remove_text
from pipeline.catalog.edits.undo import undo_edit
from pipeline.catalog.fingerprint import tables as fp
from pipeline.catalog.fingerprint.mbid_merge import merge_mbids
from pipeline.catalog.ingest import import_results
from tests.integration.catalog.edits.conftest import AUTHOR, MBID, OTHER, PUID, TEXT, Catalogue
from tests.support.catalogue.synthetic import fingerprint, near_copy


def split(catalogue: Catalogue, *fingerprint_ids: int) -> int:
    """Split the track; return the id of the new track."""
    made = split_track(catalogue.databases, AUTHOR, catalogue.gid, fingerprint_ids)
    return catalogue.track_id(made.gid)


def values(catalogue: Catalogue, table: sa.Table, track_id: int) -> dict[object, int]:
    """Return the submission counts of a track's links by their values."""
    return {
        row[2]: row.submission_count
        for row in catalogue.importer.rows(table)
        if row.track_id == track_id
    }


def test_a_shared_link_is_divided_and_others_follow_their_submissions(
    catalogue: Catalogue,
) -> None:
    new = split(catalogue, 2)
    assert {row.id: row.track_id for row in catalogue.importer.rows(fp.fingerprint)} == {
        1: 1,
        2: new,
        3: 1,
    }
    assert catalogue.links() == {MBID: (2, False), OTHER: (1, False)}
    assert catalogue.links(new) == {OTHER: (1, False)}
    assert values(catalogue, fp.track_puid, 1) == {}
    assert values(catalogue, fp.track_puid, new) == {PUID: 1}
    assert values(catalogue, fp.track_meta, 1) == {1: 1}
    assert values(catalogue, fp.track_meta, new) == {}
    names = {row.id: row.name for row in catalogue.importer.rows(fp.foreignid)}
    kept, moved = (values(catalogue, fp.track_foreignid, one) for one in (1, new))
    assert {names[key]: count for key, count in kept.items()} == {"1": 2, "3": 1}
    assert {names[key]: count for key, count in moved.items()} == {"2": 1}


def test_a_link_that_only_moved_fingerprints_confirm_moves(catalogue: Catalogue) -> None:
    ids = {row.mbid: row.id for row in catalogue.importer.rows(fp.track_mbid)}
    new = split(catalogue, 2, 3)
    assert catalogue.links() == {MBID: (1, False)}
    assert catalogue.links(new) == {MBID: (1, False), OTHER: (2, False)}
    found = {
        row.mbid: row.id for row in catalogue.importer.rows(fp.track_mbid) if row.track_id == new
    }
    assert found[OTHER] == ids[OTHER]


def test_a_link_without_known_submissions_stays(catalogue: Catalogue) -> None:
    unknown = UUID(int=5)
    with catalogue.databases.engine("fingerprint").begin() as connection:
        row = {"track_id": 1, "mbid": unknown, "submission_count": 4, "disabled": True}
        connection.execute(sa.insert(fp.track_mbid).values(row))
    new = split(catalogue, 2)
    assert catalogue.links()[unknown] == (4, True)
    assert unknown not in catalogue.links(new)


def test_submissions_of_a_merged_mbid_count_for_its_target(catalogue: Catalogue) -> None:
    merge_mbids(catalogue.databases, MBID, OTHER)
    assert catalogue.links() == {MBID: (0, True), OTHER: (4, False)}
    new = split(catalogue, 1, 3)
    assert catalogue.links() == {MBID: (0, True), OTHER: (1, False)}
    assert catalogue.links(new) == {OTHER: (3, False)}


def test_a_merged_link_moves_with_its_target(catalogue: Catalogue) -> None:
    target = UUID(int=6)
    merge_mbids(catalogue.databases, OTHER, target)
    before = catalogue.dump()
    new_track = split_track(catalogue.databases, AUTHOR, catalogue.gid, [2, 3])
    new = catalogue.track_id(new_track.gid)
    assert catalogue.links() == {MBID: (1, False)}
    assert catalogue.links(new) == {MBID: (1, False), OTHER: (0, True), target: (2, False)}
    undo_edit(catalogue.databases, AUTHOR, new_track.edit_id)
    assert catalogue.dump() == before


def test_a_second_split_finds_the_submissions_of_a_divided_link(catalogue: Catalogue) -> None:
    made = split_track(catalogue.databases, AUTHOR, catalogue.gid, [2, 3])
    again = split_track(catalogue.databases, AUTHOR, made.gid, [3])
    third = catalogue.track_id(again.gid)
    assert catalogue.links(third) == {MBID: (1, False), OTHER: (1, False)}
    assert catalogue.links(catalogue.track_id(made.gid)) == {OTHER: (1, False)}


def test_an_import_that_is_not_recorded_yet_is_counted(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker ended after its first commit."""
    importer = catalogue.importer
    receipt = importer.receipt(near_copy(fingerprint(1), 2, 0.05), mbid=MBID)
    _, ids = importer.receive([receipt])
    batch = importer.match(ids)
    with monkeypatch.context() as patched:
        patched.setattr(import_results, "record", lambda *_: 0)
        importer.persist(batch)
    assert catalogue.links()[MBID] == (3, False)
    new = split(catalogue, 2)
    assert catalogue.links(new) == {MBID: (1, False), OTHER: (1, False)}
    assert catalogue.links() == {MBID: (2, False), OTHER: (1, False)}


def test_a_disabled_link_is_disabled_on_both_tracks(catalogue: Catalogue) -> None:
    with catalogue.databases.engine("fingerprint").begin() as connection:
        connection.execute(sa.update(fp.track_mbid).values(disabled=True))
    new = split(catalogue, 2)
    assert catalogue.links()[OTHER] == catalogue.links(new)[OTHER] == (1, True)


def test_a_text_follows_only_submissions_since_it_was_removed(catalogue: Catalogue) -> None:
    remove_text(catalogue.databases, AUTHOR, catalogue.gid, 1)
    catalogue.submit(3, mbid=None, meta=TEXT)
    made = split_track(catalogue.databases, AUTHOR, catalogue.gid, [1])
    assert values(catalogue, fp.track_meta, 1) == {1: 1}
    assert values(catalogue, fp.track_meta, catalogue.track_id(made.gid)) == {}
    split(catalogue, 3)
    assert values(catalogue, fp.track_meta, 1) == {}
