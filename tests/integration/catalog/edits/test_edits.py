"""Each edit changes the rows that it names, and its undo restores all tables."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from pipeline.catalog.edits import edit_log
from pipeline.catalog.edits.edit_log import Edit, making_edit
from pipeline.catalog.edits.errors import (
    EditRefusedError,
    NotInCatalogueError,
    UnknownFingerprintError,
)
from pipeline.catalog.edits.fingerprint_edits import remove_fingerprint, split_track
from pipeline.catalog.edits.link_edits import link_mbid, remove_text, unlink_mbid
from pipeline.catalog.edits.undo import undo_edit
from pipeline.catalog.fingerprint import tables as fp
from pipeline.catalog.fingerprint.mbid_merge import merge_mbids
from pipeline.catalog.fingerprint.track_merge import merge_tracks
from tests.integration.catalog.edits.conftest import AUTHOR, MBID, OTHER, Catalogue
from tests.support.catalogue.synthetic import fingerprint

NEW = UUID("5d1f0c5e-3333-4aaa-8aaa-000000000009")

EDITS: dict[str, Callable[[Catalogue], Any]] = {
    "unlink_mbid": lambda c: unlink_mbid(c.databases, AUTHOR, c.gid, MBID),
    "link_mbid": lambda c: link_mbid(c.databases, AUTHOR, c.gid, NEW),
    "remove_fingerprint": lambda c: remove_fingerprint(c.databases, AUTHOR, 2),
    "remove_text": lambda c: remove_text(c.databases, AUTHOR, c.gid, 1),
    "split_track": lambda c: split_track(c.databases, AUTHOR, c.gid, [2]).edit_id,
}


def logged(catalogue: Catalogue) -> list[Edit]:
    with catalogue.databases.engine("fingerprint").connect() as connection:
        return edit_log.newest_edits(connection, 100)


def test_each_edit_is_logged_and_its_undo_restores_all_tables(catalogue: Catalogue) -> None:
    before = catalogue.dump()
    for kind, make in EDITS.items():
        edit_id = make(catalogue)
        after = catalogue.dump()
        assert after != before, kind
        undo = undo_edit(catalogue.databases, AUTHOR, edit_id)
        assert catalogue.dump() == before, kind
        redo = undo_edit(catalogue.databases, AUTHOR, undo)
        assert catalogue.dump() == after, kind
        undo_edit(catalogue.databases, AUTHOR, redo)
        assert catalogue.dump() == before, kind
        *_, first = logged(catalogue)[:4]
        assert (first.id, first.kind, first.undone_by) == (edit_id, kind, undo)
        assert (first.account_id, first.note) == (7, AUTHOR.note)
        assert catalogue.track_id() in first.track_ids


def test_an_interrupted_edit_changes_nothing(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log cannot be written, so the changes are rolled back."""
    before = catalogue.dump()

    def fail(*_: object) -> int:
        raise RuntimeError("interrupted")

    with monkeypatch.context() as patched:
        patched.setattr(edit_log, "_insert", fail)
        for make in EDITS.values():
            with pytest.raises(RuntimeError, match="interrupted"):
                make(catalogue)
    assert catalogue.dump() == before
    assert logged(catalogue) == []


def test_a_disabled_link_stays_disabled_when_it_is_submitted_again(catalogue: Catalogue) -> None:
    EDITS["unlink_mbid"](catalogue)
    assert catalogue.links()[MBID] == (2, True)
    catalogue.submit(1)
    assert catalogue.links()[MBID] == (3, True)


def test_a_submission_since_stays_counted_after_an_undo(catalogue: Catalogue) -> None:
    edit_id = EDITS["unlink_mbid"](catalogue)
    catalogue.submit(1)
    undo_edit(catalogue.databases, AUTHOR, edit_id)
    assert catalogue.links()[MBID] == (3, False)


def test_a_link_can_be_enabled_again(catalogue: Catalogue) -> None:
    before = catalogue.dump()
    EDITS["unlink_mbid"](catalogue)
    link_mbid(catalogue.databases, AUTHOR, catalogue.gid, MBID)
    assert catalogue.dump() == before


def test_a_new_link_has_no_submissions(catalogue: Catalogue) -> None:
    EDITS["link_mbid"](catalogue)
    assert catalogue.links()[NEW] == (0, False)


def test_a_removed_fingerprint_is_in_the_changelog(catalogue: Catalogue) -> None:
    EDITS["remove_fingerprint"](catalogue)
    assert {row.id for row in catalogue.importer.rows(fp.fingerprint)} == {1, 3}
    last = catalogue.importer.rows(fp.fpindex_changelog)[-1]
    assert (last.fingerprint_id, last.deleted) == (2, True)


def test_a_track_without_fingerprints_stays(catalogue: Catalogue) -> None:
    for fingerprint_id in (1, 2, 3):
        remove_fingerprint(catalogue.databases, AUTHOR, fingerprint_id)
    assert catalogue.importer.rows(fp.fingerprint) == []
    assert catalogue.track_id() == 1
    assert catalogue.submit(1) != catalogue.gid


def test_a_merged_track_is_followed(catalogue: Catalogue) -> None:
    target = catalogue.submit(0, words=fingerprint(50), mbid=NEW)
    merge_tracks(catalogue.databases, target, [catalogue.gid])
    unlink_mbid(catalogue.databases, AUTHOR, catalogue.gid, MBID)
    assert catalogue.links(catalogue.track_id(target))[MBID] == (2, True)


def test_a_refused_edit_names_the_reason_and_changes_nothing(catalogue: Catalogue) -> None:
    databases, gid = catalogue.databases, catalogue.gid
    refused: list[tuple[Callable[[], Any], type[EditRefusedError], str]] = [
        (lambda: unlink_mbid(databases, AUTHOR, uuid4(), MBID), NotInCatalogueError, "no track"),
        (lambda: unlink_mbid(databases, AUTHOR, 99, MBID), NotInCatalogueError, "no track 99"),
        (lambda: unlink_mbid(databases, AUTHOR, gid, NEW), NotInCatalogueError, f"MBID {NEW}"),
        (lambda: link_mbid(databases, AUTHOR, gid, MBID), EditRefusedError, "already"),
        (lambda: remove_text(databases, AUTHOR, gid, 99), NotInCatalogueError, "no text 99"),
        (lambda: remove_fingerprint(databases, AUTHOR, 99), UnknownFingerprintError, "99"),
        (lambda: split_track(databases, AUTHOR, gid, [2, 99]), UnknownFingerprintError, "99"),
        (
            lambda: split_track(databases, AUTHOR, gid, range(2, 10_000)),
            UnknownFingerprintError,
            "fingerprint 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, and 9986 more$",
        ),
        (lambda: split_track(databases, AUTHOR, gid, [1, 2, 3]), EditRefusedError, "not all"),
        (lambda: split_track(databases, AUTHOR, gid, []), EditRefusedError, "some of them"),
        (lambda: undo_edit(databases, AUTHOR, 99), NotInCatalogueError, "no edit 99"),
    ]
    before = catalogue.dump()
    for edit, error, reason in refused:
        with pytest.raises(error, match=reason):
            edit()
    assert catalogue.dump() == before
    assert logged(catalogue) == []


def test_a_second_unlink_is_refused(catalogue: Catalogue) -> None:
    EDITS["unlink_mbid"](catalogue)
    with pytest.raises(EditRefusedError, match="is disabled"):
        EDITS["unlink_mbid"](catalogue)


def test_the_link_of_a_merged_mbid_is_refused_with_the_new_mbid(catalogue: Catalogue) -> None:
    merge_mbids(catalogue.databases, MBID, OTHER)
    for edit in (unlink_mbid, link_mbid):
        with pytest.raises(EditRefusedError, match=f"merged into MBID {OTHER}"):
            edit(catalogue.databases, AUTHOR, catalogue.gid, MBID)


def test_a_fingerprint_of_another_track_is_refused(catalogue: Catalogue) -> None:
    catalogue.submit(0, words=fingerprint(50))
    with pytest.raises(EditRefusedError, match=f"fingerprint 4 is not of track {catalogue.gid}"):
        split_track(catalogue.databases, AUTHOR, catalogue.gid, [2, 4])


def test_an_edit_whose_connection_ends_before_the_commit_leaves_nothing(
    catalogue: Catalogue,
) -> None:
    before = catalogue.dump()

    def edit_and_die() -> None:
        with making_edit(catalogue.databases, "unlink_mbid", AUTHOR) as edit:
            edit.rows.update(fp.track_mbid, 1, {"disabled": True})
            backend = edit.connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
            with catalogue.databases.engine("app").connect() as other:
                other.execute(sa.text(f"SELECT pg_terminate_backend({backend}, 5000)"))

    with pytest.raises(sa.exc.OperationalError):
        edit_and_die()
    assert catalogue.dump() == before
    assert logged(catalogue) == []
