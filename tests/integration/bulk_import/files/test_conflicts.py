"""A file that disagrees with what is here stops the import, which names the line and the ids."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.bulk_import.files.errors import DataImportError
from pipeline.bulk_import.files.loading import merged_tracks
from pipeline.bulk_import.rejects import BadLineError
from tests.integration.bulk_import.files.conftest import Target
from tests.support.data_files import (
    CREATED,
    fingerprint,
    gid,
    mbid,
    track_fingerprint,
    track_mbid,
    write_catalogue,
    write_rows,
)

DAY = "2026-01-03"
LATER = "2026-01-03T00:00:00+00:00"
META = {"id": 1, "track": "Title 1", "year": 1999, "created": CREATED}
LINK = {"id": 1, "track_id": 1, "meta_id": 1, "submission_count": 2, "created": CREATED}
FOREIGN = {"id": 1, "track_id": 1, "foreignid_id": 1, "vendor_id": 1, "vendor": "v", "name": "n"}
FOREIGN |= {"submission_count": 1, "created": CREATED}


@pytest.fixture
def filled(target: Target, tmp_path: Path) -> Target:
    """A catalogue of three tracks."""
    write_catalogue(tmp_path / "first", 3, count=100)
    write_rows(tmp_path / "first", "track_foreignid", [FOREIGN])
    target.load(tmp_path / "first")
    return target


@pytest.mark.parametrize(
    ("table", "row", "reason"),
    [
        ("track", {"id": 1, "gid": gid(9), "created": CREATED}, "track 1 has the gid .*, but here"),
        ("track", {"id": 9, "gid": gid(1), "created": CREATED}, "has the id 9, but here it has 1"),
        ("meta", META | {"track": "Another"}, "the text 1 is another one here"),
        ("fingerprint", fingerprint(1, count=99), "fingerprint 1 is another one here"),
        ("fingerprint", fingerprint(1, count=100, length=7), "fingerprint 1 is another one here"),
        ("track_fingerprint", track_fingerprint(1, track_id=2), "has track 2, but here it has 1"),
        ("track_mbid", track_mbid(1, mbid=mbid(9)), "the link 1 is one of track 1 and mbid"),
        ("track_mbid", track_mbid(1, mbid=mbid(9), updated=LATER), "the link 1 is one of"),
        ("track_mbid", track_mbid(1, track_id=2), "the link 1 is one of track 2"),
        ("track_mbid", track_mbid(9, track_id=1, mbid=mbid(1)), "has the id 9, but here it has 1"),
        ("track_meta", LINK | {"meta_id": 3}, "there is no text 3"),
        ("track_foreignid", FOREIGN | {"name": "m"}, "the foreign id 1, v:m, is another one"),
        ("track_foreignid", FOREIGN | {"id": 2, "vendor_id": 2}, "the vendor 2, v, has another"),
    ],
)
def test_a_conflict_stops_the_import(
    filled: Target, tmp_path: Path, table: str, row: dict[str, Any], reason: str
) -> None:
    before = filled.content()
    path = write_rows(tmp_path / "second", table, [row], DAY)
    with pytest.raises((DataImportError, ValueError), match=f"^{path}:1: .*{reason}"):
        filled.load(tmp_path / "second")
    assert filled.content() == before


def test_a_conflict_is_not_skipped(filled: Target, tmp_path: Path) -> None:
    write_rows(tmp_path / "second", "track_mbid", [track_mbid(1, mbid=mbid(9))], DAY)
    with pytest.raises(DataImportError, match="belongs to another catalogue"):
        filled.load(tmp_path / "second", "skip")


def test_a_link_moves_with_a_newer_row(filled: Target, tmp_path: Path) -> None:
    moved = track_mbid(1, track_id=2, updated=LATER)
    write_rows(tmp_path / "second", "track_mbid", [moved], DAY)
    filled.load(tmp_path / "second")
    assert filled.rows("SELECT track_id FROM track_mbid WHERE id = 1") == [(2,)]


def test_a_merge_is_followed(filled: Target, tmp_path: Path) -> None:
    """Track 1 is merged into 2, and 2 into 3: what the files leave on them moves to 3."""
    tracks = [
        {"id": 1, "gid": gid(1), "new_id": 2, "created": CREATED, "updated": LATER},
        {"id": 2, "gid": gid(2), "new_id": 3, "created": CREATED, "updated": LATER},
    ]
    write_rows(tmp_path / "second", "track", tracks, DAY)
    twin = track_mbid(9, track_id=3, mbid=mbid(1), submission_count=8)
    write_rows(tmp_path / "second", "track_mbid", [twin], DAY)
    filled.load(tmp_path / "second")
    assert filled.rows("SELECT id, new_id FROM track ORDER BY id") == [(1, 3), (2, 3), (3, None)]
    assert filled.rows("SELECT DISTINCT track_id FROM fingerprint") == [(3,)]
    links = filled.rows("SELECT id, track_id, submission_count FROM track_mbid ORDER BY id")
    assert links == [(2, 3, 3), (3, 3, 3), (9, 3, 8)]
    assert filled.rows("SELECT table_name, row_id FROM deleted_row") == [("track_mbid", 1)]


def test_equal_links_of_merged_tracks_become_one(
    filled: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tracks 1 and 2 are merged into 3, which has no such link: no submission gets lost."""
    monkeypatch.setattr(merged_tracks, "_CHUNK", 1)
    tracks = [
        {"id": each, "gid": gid(each), "new_id": 3, "created": CREATED, "updated": LATER}
        for each in (1, 2)
    ]
    write_rows(tmp_path / "second", "track", tracks, DAY)
    links = [
        track_mbid(8, track_id=2, mbid=mbid(1), submission_count=5, disabled=True, merged_into=1),
        track_mbid(9, track_id=3, mbid=mbid(9), merged_into=8),
    ]
    write_rows(tmp_path / "second", "track_mbid", links, DAY)
    write_rows(tmp_path / "second", "track_meta", [LINK | {"id": 9, "track_id": 2}], DAY)
    filled.load(tmp_path / "second")
    found = "SELECT id, track_id, submission_count, disabled, merged_into FROM track_mbid"
    assert filled.rows(f"{found} WHERE id IN (1, 8, 9) ORDER BY id") == [
        (1, 3, 8, False, None),
        (9, 3, 3, False, 1),
    ]
    assert filled.rows("SELECT id, track_id, submission_count FROM track_meta") == [(1, 3, 4)]
    assert filled.load(tmp_path / "second").changed == 0


def test_a_merged_link_moves_to_the_track_of_its_twin(filled: Target, tmp_path: Path) -> None:
    """As `acoustid tracks merge` does: of two equal links the older stays, on the other track."""
    first = [track_mbid(9, track_id=2, mbid=mbid(1))]
    write_rows(tmp_path / "second", "track_mbid", first, DAY)
    filled.load(tmp_path / "second")
    merged = {"id": 1, "gid": gid(1), "new_id": 2, "created": CREATED, "updated": LATER}
    write_rows(tmp_path / "third", "track", [merged], "2026-01-04")
    kept = track_mbid(1, track_id=2, submission_count=6, updated=LATER)
    write_rows(tmp_path / "third", "track_mbid", [kept], "2026-01-04")
    filled.load(tmp_path / "third")
    assert filled.rows(
        "SELECT id, track_id, submission_count, updated::text FROM track_mbid WHERE id IN (1, 9)"
    ) == [(1, 2, 6, "2026-01-03 00:00:00+00")]


@pytest.mark.parametrize("targets", [[1], [2, 1], [2, 3, 1], [7]])
def test_a_cycle_of_merges_is_refused(filled: Target, tmp_path: Path, targets: list[int]) -> None:
    rows = [
        {"id": each, "gid": gid(each), "new_id": to, "created": CREATED, "updated": LATER}
        for each, to in enumerate(targets, 1)
    ]
    path = write_rows(tmp_path / "second", "track", rows, DAY)
    with pytest.raises(ValueError, match=f"^{path}:1: track 1 is merged into"):
        filled.load(tmp_path / "second")
    assert filled.rows("SELECT count(new_id) FROM track") == [(0,)]


def test_a_wrong_merge_is_named_until_it_is_skipped(filled: Target, tmp_path: Path) -> None:
    row = {"id": 1, "gid": gid(1), "new_id": 77, "created": CREATED, "updated": LATER}
    path = write_rows(tmp_path / "second", "track", [row], DAY)
    for _ in range(2):
        with pytest.raises(BadLineError, match=f"^{path}:1: track 1 is merged into 77"):
            filled.load(tmp_path / "second")
    filled.load(tmp_path / "second", "skip")
    assert [line.split(": ")[0] for line in filled.told] == [f"{path}:1"]
    assert filled.load(tmp_path / "second").changed == 0


def test_merged_links_refer_to_each_other(filled: Target, tmp_path: Path) -> None:
    rows = [track_mbid(1, merged_into=9, updated=LATER, disabled=True, submission_count=0)]
    rows.append(track_mbid(9, track_id=1, mbid=mbid(9)))
    write_rows(tmp_path / "second", "track_mbid", rows, DAY)
    filled.load(tmp_path / "second")
    found = filled.rows("SELECT merged_into, disabled, updated::text FROM track_mbid WHERE id = 1")
    assert found == [(9, True, "2026-01-03 00:00:00+00")]


def test_deletions_are_applied(filled: Target, tmp_path: Path) -> None:
    early = "2025-01-01T00:00:00+00:00"
    rows = [
        {"id": 5, "table_name": "track_mbid", "row_id": 1, "created": LATER},
        {"id": 6, "table_name": "track_mbid", "row_id": 2, "created": early},
        {"id": 7, "table_name": "fingerprint", "row_id": 3, "created": LATER},
        {"id": 8, "table_name": "meta", "row_id": 77, "created": LATER},
    ]
    write_rows(tmp_path / "second", "deletion", rows, DAY)
    filled.load(tmp_path / "second")
    assert filled.rows("SELECT id FROM track_mbid ORDER BY id") == [(2,), (3,)]
    assert filled.rows("SELECT id FROM fingerprint ORDER BY id") == [(1,), (2,)]
    assert filled.rows("SELECT id FROM deleted_row ORDER BY id") == [(5,), (6,), (7,), (8,)]
    filled.execute("DELETE FROM import_progress")
    assert filled.load(tmp_path / "second").changed == 0
