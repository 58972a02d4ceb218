"""The next export writes what has changed, and keeps the files of final days."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from pipeline.catalog.edits.edit_log import Author
from pipeline.catalog.edits.fingerprint_edits import remove_fingerprint
from pipeline.catalog.edits.undo import undo_edit
from pipeline.catalog.exported_days import add_row_to_day
from pipeline.catalog.fingerprint import tables as t
from pipeline.catalog.fingerprint.mbid_disable import disable_mbid
from pipeline.catalog.fingerprint.mbid_merge import merge_mbids
from pipeline.catalog.fingerprint.track_merge import merge_tracks
from pipeline.export.finality import MARGIN, oldest_begin
from pipeline.runtime.databases import Databases
from tests.integration.export.conftest import OLD_DAY, PUID, grow_old, set_times
from tests.support.catalogue.exports import (
    contents,
    manifest_of,
    names,
    read_lines,
    rows_of,
    run_export,
)
from tests.support.catalogue.imports import MBID, Importer
from tests.support.catalogue.synthetic import fingerprint

OTHER = UUID("5d1f0c5e-3333-4aaa-8aaa-000000000003")
OLD = f"2024/2024-02/{OLD_DAY}"


def stamps(folder: Path) -> dict[str, int]:
    """Return when each data file was written."""
    return {name: (folder / name).stat().st_mtime_ns for name in names(folder)}


def test_files_of_final_days_stay(importer: Importer, databases: Databases, out: Path) -> None:
    """The files of today are written again."""
    grow_old(databases)
    importer.run(importer.receipt(fingerprint(2)))
    first = run_export(databases, out)
    before = stamps(out)
    assert first.kept == 0
    second = run_export(databases, out)
    assert (first.files, second.files, second.kept) == (12, 4, 8)
    after = stamps(out)
    assert {name for name in before if before[name] == after[name]} == {
        name for name in before if name.startswith(OLD)
    }
    assert manifest_of(out).final_before == datetime.now(UTC).date()


@pytest.mark.parametrize("keeps_fingerprint", [True, False])
def test_a_changed_count_is_found(
    importer: Importer, databases: Databases, out: Path, *, keeps_fingerprint: bool
) -> None:
    """The public service does not export counts that have changed."""
    grow_old(databases)
    run_export(databases, out)
    first = contents(out)
    importer.run(
        importer.receipt(fingerprint(1 if keeps_fingerprint else 2), meta={"track": "Vérmocsár"})
    )
    run_export(databases, out)
    new = {name: rows for name, rows in contents(out).items() if first.get(name) != rows}
    assert not [name for name in new if name.startswith(OLD)]
    [link] = [rows for name, rows in new.items() if "track_mbid" in name]
    assert [row["submission_count"] for row in link] == [2 if keeps_fingerprint else 1]


def test_each_change_of_the_catalogue_is_found(
    importer: Importer, databases: Databases, out: Path
) -> None:
    """Merges of tracks and MBIDs, disabled links, removed fingerprints."""
    importer.run(
        importer.receipt(fingerprint(2), mbid=OTHER),
        importer.receipt(fingerprint(3), mbid=PUID),
    )
    grow_old(databases)
    run_export(databases, out)
    old = contents(out)
    gids = [row.gid for row in importer.rows(t.track)]
    merge_tracks(databases, gids[0], [gids[1]])
    merge_mbids(databases, OTHER, MBID)
    disable_mbid(databases, PUID, "gone")
    author = Author(importer.account_id, "wrong")
    remove_fingerprint(databases, author, 3)
    run_export(databases, out)
    assert {name: rows for name, rows in contents(out).items() if name in old} == old
    today = [
        (name[24:].removesuffix("-update.jsonl.gz"), row)
        for name, rows in contents(out).items()
        for row in rows
        if name not in old
    ]
    found = {(table, row["id"]): row for table, row in today}
    assert found["track", 2]["new_id"] == 1
    assert found["track_fingerprint", 2]["track_id"] == 1
    merged = found["track_mbid", 2]
    assert (merged["track_id"], merged["disabled"], merged["merged_into"]) == (1, True, 1)
    assert found["track_mbid", 1]["submission_count"] == 2
    assert found["track_mbid", 3]["disabled"]
    deleted = [(row["table_name"], row["row_id"]) for table, row in today if table == "deletion"]
    assert ("fingerprint", 3) in deleted


def test_a_restored_fingerprint_is_found(
    importer: Importer, databases: Databases, out: Path
) -> None:
    """It has its old id and time, so the file of that day is written again."""
    author = Author(importer.account_id, "a test")
    grow_old(databases)
    edit = remove_fingerprint(databases, author, 1)
    run_export(databases, out)
    assert not rows_of(out, "fingerprint")
    undo_edit(databases, author, edit)
    run_export(databases, out)
    [row] = read_lines(out / f"{OLD}-fingerprint-update.jsonl.gz")
    assert row["id"] == 1
    report = run_export(databases, out)
    assert f"{OLD}-fingerprint-update.jsonl.gz" in manifest_of(out).files
    assert report.kept >= 7


def test_days_to_which_an_import_added_are_written_again(
    importer: Importer, databases: Databases, out: Path
) -> None:
    """Whether they had a file or not, each time."""
    assert importer
    grow_old(databases)
    run_export(databases, out)
    for number, day in ((7, OLD_DAY), (8, "2023-01-01"), (9, "2023-01-01")):
        time = datetime.fromisoformat(f"{day} 08:00+00")
        values = {"id": number, "gid": uuid4(), "created": time}
        with databases.engine("fingerprint").begin() as connection:
            connection.execute(t.track.insert().values(values))
            add_row_to_day(connection, t.track, time)
        run_export(databases, out)
        rows = read_lines(out / f"{day[:4]}/{day[:7]}/{day}-track-update.jsonl.gz")
        assert number in [row["id"] for row in rows]
        assert run_export(databases, out).files == 0


def test_a_row_that_is_committed_later_is_found(
    importer: Importer, databases: Databases, out: Path
) -> None:
    """Its time is that of the begin of its transaction. So the day of an open one is not final."""
    assert importer
    run_export(databases, out)
    with databases.engine("fingerprint").begin() as connection:
        begin = connection.execute(
            t.track.insert().values(gid=uuid4()).returning(t.track.c.created)
        )
        begun = begin.scalar_one()
        run_export(databases, out)
        assert len(rows_of(out, "track")) == 1
        with databases.engine("fingerprint").begin() as other:
            assert oldest_begin(other) <= begun
    run_export(databases, out)
    assert len(rows_of(out, "track")) == 2
    with databases.engine("fingerprint").begin() as other:
        assert begun - MARGIN < oldest_begin(other) <= datetime.now(UTC) - MARGIN


def test_a_file_whose_rows_have_left_is_removed(
    importer: Importer, databases: Databases, out: Path
) -> None:
    """Each row of an unfinished day was changed on a later day."""
    assert importer
    grow_old(databases)
    day = datetime.now(UTC) + timedelta(days=3)
    set_times(databases, t.track_mbid, updated=day)
    run_export(databases, out)
    day += timedelta(days=1)
    set_times(databases, t.track_mbid, updated=day)
    run_export(databases, out)
    assert [name[13:23] for name in names(out) if "track_mbid" in name] == [OLD_DAY, f"{day:%F}"]
    assert sorted(manifest_of(out).files) == names(out)


def test_a_lost_file_is_written_again(importer: Importer, databases: Databases, out: Path) -> None:
    """Also one that was cut."""
    assert importer
    grow_old(databases)
    run_export(databases, out)
    before = contents(out)
    (out / f"{OLD}-track-update.jsonl.gz").unlink()
    (out / f"{OLD}-fingerprint-update.jsonl.gz").write_bytes(b"cut")
    assert run_export(databases, out).files == 2
    assert contents(out) == before


def test_all_days_are_written_again(importer: Importer, databases: Databases, out: Path) -> None:
    """Rows that have changed since are then only in the files of their current days."""
    assert importer
    grow_old(databases)
    run_export(databases, out)
    set_times(databases, t.track, created="2024-02-27 12:00+00")
    report = run_export(databases, out, writes_all=True)
    assert (report.files, report.kept) == (8, 0)
    assert [name[13:23] for name in names(out) if "-track-" in name] == ["2024-02-27"]
