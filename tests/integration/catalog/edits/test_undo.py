"""An undo restores the rows exactly, or changes nothing and names the later changes."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa

from pipeline.catalog.advisory_locks import lock_catalogue
from pipeline.catalog.edits.errors import EditRefusedError
from pipeline.catalog.edits.fingerprint_edits import remove_fingerprint, split_track
from pipeline.catalog.edits.link_edits import link_mbid, remove_text, unlink_mbid
from pipeline.catalog.edits.undo import undo_edit
from pipeline.catalog.fingerprint import tables as fp
from pipeline.catalog.fingerprint.mbid_merge import merge_mbids
from pipeline.catalog.fingerprint.track_merge import merge_tracks
from pipeline.imports.persist import StaleMatchesError
from tests.integration.catalog.edits.conftest import AUTHOR, MBID, OTHER, TEXT, Catalogue
from tests.support.catalogue.synthetic import fingerprint, near_copy
from tests.support.polling import eventually

NEW = UUID("5d1f0c5e-3333-4aaa-8aaa-000000000009")


def assert_refused(catalogue: Catalogue, edit_id: int, *reasons: str) -> None:
    """Assert that an undo is refused with these reasons, and changes nothing."""
    before = catalogue.dump()
    with pytest.raises(EditRefusedError) as caught:
        undo_edit(catalogue.databases, AUTHOR, edit_id)
    assert catalogue.dump() == before
    for reason in reasons:
        assert reason in str(caught.value)


def test_an_edit_is_undone_once(catalogue: Catalogue) -> None:
    first = unlink_mbid(catalogue.databases, AUTHOR, catalogue.gid, MBID)
    second = undo_edit(catalogue.databases, AUTHOR, first)
    assert_refused(catalogue, first, f"edit {first} was undone by edit {second}")
    third = undo_edit(catalogue.databases, AUTHOR, second)
    assert_refused(catalogue, first, f"by edit {second}; undo edit {third} instead")


def test_a_link_that_was_changed_since_is_named_with_the_later_edit(catalogue: Catalogue) -> None:
    first = unlink_mbid(catalogue.databases, AUTHOR, catalogue.gid, MBID)
    second = link_mbid(catalogue.databases, AUTHOR, catalogue.gid, MBID)
    assert_refused(
        catalogue,
        first,
        f"the link of track 1 to MBID {MBID}: disabled is False and was True after the edit",
        f"later edits of these rows: {second}",
    )


def test_a_merge_of_the_track_since_is_named(catalogue: Catalogue) -> None:
    databases, gid = catalogue.databases, catalogue.gid
    edits = [
        unlink_mbid(databases, AUTHOR, gid, MBID),
        remove_text(databases, AUTHOR, gid, 1),
        remove_fingerprint(databases, AUTHOR, 1),
        split_track(databases, AUTHOR, gid, [2]).edit_id,
    ]
    target = catalogue.submit(0, words=fingerprint(50))
    merge_tracks(databases, target, [gid])
    for edit_id in edits:
        assert_refused(catalogue, edit_id, f"track {gid} was merged into track {target}")


def test_submissions_to_a_new_track_or_link_since_are_named(catalogue: Catalogue) -> None:
    databases = catalogue.databases
    linked = link_mbid(databases, AUTHOR, catalogue.gid, NEW)
    split = split_track(databases, AUTHOR, catalogue.gid, [2])
    assert catalogue.submit(1, mbid=NEW) == catalogue.gid
    assert catalogue.submit(2, mbid=OTHER) == split.gid
    copy = near_copy(near_copy(fingerprint(1), 2, 0.05), 9, 0.05)
    assert catalogue.submit(0, words=copy, mbid=MBID) == split.gid
    assert_refused(catalogue, linked, "submission_count is 1 and was 0")
    assert_refused(
        catalogue,
        split.edit_id,
        f"the link of track 2 to MBID {OTHER}: submission_count is 2 and was 1",
        f"fingerprint 4 belongs to track {split.gid}",
        f"MBID {MBID} is linked to track {split.gid}",
    )


def test_a_text_that_was_added_again_is_named(catalogue: Catalogue) -> None:
    edit_id = remove_text(catalogue.databases, AUTHOR, catalogue.gid, 1)
    catalogue.submit(1, meta=TEXT)
    assert_refused(catalogue, edit_id, "the link of track 1 to text 1 was added again")


def test_a_moved_link_whose_value_was_added_again_is_named(catalogue: Catalogue) -> None:
    databases, old = catalogue.databases, UUID(int=8)

    def submit_redirected() -> None:
        catalogue.submit(1, mbid=old)
        merge_mbids(databases, old, OTHER)

    for add in (
        lambda: catalogue.submit(1, mbid=OTHER),
        lambda: link_mbid(databases, AUTHOR, catalogue.gid, OTHER),
        submit_redirected,
    ):
        edit_id = split_track(databases, AUTHOR, catalogue.gid, [2, 3]).edit_id
        add()
        assert_refused(catalogue, edit_id, f"the link of track 1 to MBID {OTHER} was added again")
        with databases.engine("fingerprint").begin() as connection:
            again = (fp.track_mbid.c.track_id == 1) & (fp.track_mbid.c.mbid.in_([OTHER, old]))
            connection.execute(sa.delete(fp.track_mbid).where(again))
        undo_edit(databases, AUTHOR, edit_id)
    edit_id = split_track(databases, AUTHOR, catalogue.gid, [1]).edit_id
    catalogue.submit(2, meta=TEXT)
    assert_refused(catalogue, edit_id, "the link of track 1 to text 1 was added again")


def test_a_fingerprint_that_was_added_again_is_named(catalogue: Catalogue) -> None:
    edit_id = remove_fingerprint(catalogue.databases, AUTHOR, 1)
    catalogue.submit(1)
    assert_refused(catalogue, edit_id, "fingerprint 1 was added again as fingerprint 4")


def test_a_link_that_was_divided_since_is_named(catalogue: Catalogue) -> None:
    databases, gid = catalogue.databases, catalogue.gid
    before = catalogue.dump()
    unlinked = unlink_mbid(databases, AUTHOR, gid, MBID)
    split = split_track(databases, AUTHOR, gid, [3]).edit_id
    assert_refused(catalogue, unlinked, f"edit {split} divided the link of track 1 to MBID {MBID}")
    undo = undo_edit(databases, AUTHOR, split)
    again = undo_edit(databases, AUTHOR, undo)
    assert_refused(catalogue, unlinked, f"edit {again} divided")
    undo_edit(databases, AUTHOR, again)
    undo_edit(databases, AUTHOR, unlinked)
    assert catalogue.dump() == before


def test_a_split_of_the_fingerprints_of_a_removed_text_is_named(catalogue: Catalogue) -> None:
    databases, gid = catalogue.databases, catalogue.gid
    catalogue.submit(3, mbid=None, meta=TEXT)
    removed = remove_text(databases, AUTHOR, gid, 1)
    other = split_track(databases, AUTHOR, gid, [2]).edit_id
    split = split_track(databases, AUTHOR, gid, [3]).edit_id
    text = f"edit {split} moved fingerprints that confirmed the link of track 1 to text 1"
    assert_refused(catalogue, removed, text)
    undo_edit(databases, AUTHOR, split)
    undo_edit(databases, AUTHOR, removed)
    undo_edit(databases, AUTHOR, other)
    counts = [row.submission_count for row in catalogue.importer.rows(fp.track_meta)]
    assert counts == [2]


def test_of_many_reasons_the_first_ten_are_named(catalogue: Catalogue) -> None:
    split = split_track(catalogue.databases, AUTHOR, catalogue.gid, [2])
    for seed in range(20, 32):
        link_mbid(catalogue.databases, AUTHOR, split.gid, UUID(int=seed))
    assert_refused(catalogue, split.edit_id, f"{UUID(int=29)} is linked", "; and 2 more")


def test_random_edits_undone_in_reverse_order_give_the_first_state(catalogue: Catalogue) -> None:
    databases, random = catalogue.databases, np.random.default_rng(4)

    def some(table: sa.Table) -> Any:
        rows = catalogue.importer.rows(table)
        return rows[random.integers(len(rows))]

    def split() -> int:
        row = some(fp.fingerprint)
        return split_track(databases, AUTHOR, row.track_id, [row.id]).edit_id

    choices = [
        lambda: unlink_mbid(databases, AUTHOR, (row := some(fp.track_mbid)).track_id, row.mbid),
        lambda: link_mbid(databases, AUTHOR, (row := some(fp.track_mbid)).track_id, row.mbid),
        lambda: link_mbid(databases, AUTHOR, some(fp.track).id, some(fp.track_mbid).mbid),
        lambda: remove_fingerprint(databases, AUTHOR, some(fp.fingerprint).id),
        lambda: remove_text(databases, AUTHOR, (row := some(fp.track_meta)).track_id, row.meta_id),
        split,
    ]
    for seed in range(5, 9):
        catalogue.submit(seed, meta={"track": f"Title {seed}"})
    states, edits = [catalogue.dump()], []
    while len(edits) < 25:
        try:
            edits.append(choices[random.integers(len(choices))]())
        except (EditRefusedError, ValueError):
            continue
        if random.random() < 0.2:
            undo_edit(databases, AUTHOR, edits.pop())
            assert catalogue.dump() == states[-1]
        else:
            states.append(catalogue.dump())
    for edit_id in reversed(edits):
        assert catalogue.dump() == states.pop()
        undo_edit(databases, AUTHOR, edit_id)
    assert catalogue.dump() == states.pop()


def test_an_edit_waits_for_a_running_import(catalogue: Catalogue) -> None:
    engine = catalogue.databases.engine("fingerprint")
    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with ThreadPoolExecutor(1) as pool, engine.begin() as connection:
        lock_catalogue(connection)
        editing = pool.submit(unlink_mbid, catalogue.databases, AUTHOR, catalogue.gid, MBID)
        eventually(lambda: connection.execute(waiting).scalar_one())
        assert not editing.done()
        connection.execute(sa.update(fp.track_mbid).values(submission_count=9))
        connection.commit()
        editing.result()
    assert catalogue.links()[MBID] == (9, True)


def test_an_import_that_matched_before_an_edit_matches_again(catalogue: Catalogue) -> None:
    importer = catalogue.importer
    _, ids = importer.receive([importer.receipt(near_copy(fingerprint(1), 2, 0.05))])
    batch = importer.match(ids)
    split = split_track(catalogue.databases, AUTHOR, catalogue.gid, [2])
    with pytest.raises(StaleMatchesError):
        importer.persist(batch)
    importer.persist(importer.match(ids))
    assert [each.track_gid for each in importer.statuses(ids)] == [split.gid]


def test_of_two_concurrent_undos_one_is_refused(catalogue: Catalogue) -> None:
    edit_id = unlink_mbid(catalogue.databases, AUTHOR, catalogue.gid, MBID)
    barrier = Barrier(2)

    def undo(_: int) -> bool:
        barrier.wait(timeout=60)
        try:
            return bool(undo_edit(catalogue.databases, AUTHOR, edit_id))
        except EditRefusedError:
            return False

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(undo, range(2))) == [False, True]
    assert catalogue.links()[MBID] == (2, False)
