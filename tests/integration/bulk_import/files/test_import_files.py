"""Data files are imported with their ids; index and store have followed when it returns."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from pipeline.bulk_import.files.errors import DataImportError
from pipeline.bulk_import.files.run import only_import
from pipeline.bulk_import.rejects import BadLineError
from pipeline.catalog.app.tables import audio_format
from pipeline.catalog.fingerprint.changelog import read
from pipeline.fingerprint.codec import encode
from pipeline.fingerprint.query import extract_query
from pipeline.fingerprint.simhash import simhash
from pipeline.fingerprint_store import open_store
from pipeline.index import open_reader
from tests.integration.bulk_import.files.conftest import Target
from tests.support.data_files import (
    CREATED,
    fingerprint,
    gid,
    mbid,
    track_fingerprint,
    track_mbid,
    words,
    write_catalogue,
    write_lines,
    write_rows,
)

LATER = "2026-01-03T00:00:00+00:00"
NEXT_DAY = "2026-01-03"


def test_a_catalogue_is_imported_with_its_ids(target: Target, tmp_path: Path) -> None:
    write_catalogue(tmp_path, 7)
    done = target.load(tmp_path)
    assert (done.files, done.known, done.fingerprints) == (6, 0, 7)
    assert target.rows("SELECT id, gid::text, created::text FROM track ORDER BY id") == [
        (each, gid(each), "2026-01-02 03:04:05.678901+00") for each in range(1, 8)
    ]
    found = target.rows(
        "SELECT id, track_id, words, simhash, length, submission_count FROM fingerprint ORDER BY id"
    )
    for number, track_id, stored, hashed, length, count in found:
        expected = np.array(words(number)).astype(np.uint32)
        assert (track_id, length, count) == (number, 100 + number, 1)
        assert bytes(stored) == expected.tobytes()
        assert hashed & 0xFFFFFFFF == simhash(expected)
    links = target.rows(
        "SELECT id, track_id, mbid::text, submission_count, disabled FROM track_mbid"
    )
    assert sorted(links) == [(each, each, mbid(each), 3, False) for each in range(1, 8)]
    assert target.rows("SELECT id, track, year FROM meta ORDER BY id") == [
        (each, f"Title {each}", 1999) for each in (1, 4, 7)
    ]


def test_index_and_store_have_followed(target: Target, tmp_path: Path) -> None:
    write_catalogue(tmp_path / "one", 3)
    target.load(tmp_path / "one")
    assert any(part == "index and store: 3 fingerprints" for part in target.parts)  # built at once
    rows = [fingerprint(4)]
    write_rows(tmp_path / "two", "track", [{"id": 4, "gid": gid(4), "created": LATER}], NEXT_DAY)
    write_rows(tmp_path / "two", "track_fingerprint", [track_fingerprint(4)], NEXT_DAY)
    write_rows(tmp_path / "two", "fingerprint", rows, NEXT_DAY)
    target.load(tmp_path / "two")
    assert any(part.startswith("index and store: 1") for part in target.parts)  # followed
    with target.databases.engine("fingerprint").connect() as connection:
        _, newest = read(connection, 0, 100)
    with open_reader(target.settings.fingerprint_index.path) as index:
        assert index.position() == newest
        for number in range(1, 5):
            terms = extract_query(np.array(words(number)).astype(np.uint32))
            assert number in index.search([terms])[0].ids
    assert open_store(target.settings.fingerprint_store.path).position() == newest


def test_a_second_import_changes_nothing(target: Target, tmp_path: Path) -> None:
    write_catalogue(tmp_path, 4)
    target.load(tmp_path)
    before = target.content()
    again = target.load(tmp_path)
    assert (again.files, again.known, again.changed) == (0, 6, 0)
    target.execute("DELETE FROM import_progress")
    assert target.load(tmp_path).changed == 0
    assert target.content() == before


def test_a_compressed_fingerprint_is_read(target: Target, tmp_path: Path) -> None:
    write_catalogue(tmp_path, 1)
    text = encode(np.array(words(1)).astype(np.uint32))
    write_rows(tmp_path, "fingerprint", [fingerprint(1) | {"fingerprint": text, "format": "MP3"}])
    target.load(tmp_path)
    [(stored, format_id)] = target.rows("SELECT words, format_id FROM fingerprint")
    assert bytes(stored) == np.array(words(1)).astype(np.uint32).tobytes()
    with target.databases.engine("app").connect() as connection:
        assert connection.execute(sa.select(audio_format.c.id, audio_format.c.name)).all() == [
            (format_id, "MP3")
        ]


def test_live_rows_get_ids_above_those_of_the_files(target: Target, tmp_path: Path) -> None:
    write_catalogue(tmp_path, 3)
    target.load(tmp_path)
    target.execute("INSERT INTO track (gid) VALUES (gen_random_uuid())")
    assert target.rows("SELECT max(id) FROM track") == [(4,)]


def test_the_same_text_may_have_several_ids(target: Target, tmp_path: Path) -> None:
    text = {"track": "Same", "created": CREATED}
    write_rows(tmp_path, "meta", [{"id": each} | text for each in (5, 3, 9)])
    target.load(tmp_path)
    assert target.rows("SELECT count(DISTINCT gid), count(*) FROM meta") == [(3, 3)]
    target.execute("DELETE FROM import_progress")
    assert target.load(tmp_path).changed == 0


def test_tomorrow_s_files_change_what_may_change(target: Target, tmp_path: Path) -> None:
    write_catalogue(tmp_path, 3)
    target.load(tmp_path)
    changed = track_mbid(1, submission_count=9, disabled=True, updated=LATER)
    write_rows(tmp_path, "track_mbid", [changed], NEXT_DAY)
    count = track_fingerprint(2, submission_count=5, updated=LATER)
    write_rows(tmp_path, "track_fingerprint", [count], NEXT_DAY)
    done = target.load(tmp_path)
    assert (done.files, done.known) == (2, 6)
    assert target.rows(
        "SELECT submission_count, disabled, updated::text FROM track_mbid WHERE id = 1"
    ) == [(9, True, "2026-01-03 00:00:00+00")]
    assert target.rows("SELECT submission_count, updated::text FROM fingerprint WHERE id = 2") == [
        (5, "2026-01-03 00:00:00+00")
    ]
    days = target.rows("SELECT table_name, day::text FROM imported_day WHERE day > '2026-01-02'")
    assert sorted(days) == [("fingerprint", NEXT_DAY), ("track_mbid", NEXT_DAY)]


def test_an_older_row_does_not_undo_a_later_change(target: Target, tmp_path: Path) -> None:
    write_catalogue(tmp_path, 2)
    target.load(tmp_path)
    target.execute("UPDATE track_mbid SET submission_count = 50 WHERE id = 1")
    target.execute("DELETE FROM import_progress")
    target.load(tmp_path)
    assert target.rows("SELECT submission_count FROM track_mbid WHERE id = 1") == [(50,)]


def test_a_seed_takes_the_locks_of_index_and_store_itself(target: Target, tmp_path: Path) -> None:
    write_catalogue(tmp_path, 2)
    with only_import(target.databases), pytest.raises(DataImportError, match="another import"):
        target.load(tmp_path)
    target.load(tmp_path)


def test_a_fingerprint_waits_for_the_files_of_another_import(
    target: Target, tmp_path: Path
) -> None:
    write_catalogue(tmp_path / "one", 2)
    (path,) = (tmp_path / "one").rglob("*-fingerprint-update.jsonl.gz")
    kept = path.read_bytes()
    path.unlink()
    assert target.load(tmp_path / "one").without_fingerprint == 2
    path.write_bytes(kept)
    assert target.load(tmp_path / "one").without_fingerprint == 0
    assert target.rows("SELECT count(*) FROM fingerprint") == [(2,)]


def test_bad_lines_stop_the_run_or_are_skipped(target: Target, tmp_path: Path) -> None:
    write_catalogue(tmp_path, 3)
    lines = [json.dumps(track_mbid(1)), "{", json.dumps(track_mbid(3, track_id=77))]
    path = write_lines(tmp_path, "track_mbid", lines)
    with pytest.raises(BadLineError) as stopped:
        target.load(tmp_path)
    assert str(stopped.value).startswith(f"{path}:2: is not JSON")
    assert target.rows("SELECT count(*) FROM fingerprint") == [(3,)]
    assert target.rows("SELECT count(*) FROM track_mbid") == [(0,)]
    rejects = tmp_path / "rejects"
    target.load(tmp_path, "skip", rejects)
    assert target.rows("SELECT id FROM track_mbid") == [(1,)]
    assert [line.split(": ", 1)[0] for line in target.told] == [f"{path}:2", f"{path}:3"]
    records = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [(each["line"], each["content"]) for each in records] == [(2, "{"), (3, lines[2])]
    assert "there is no track 77" in records[1]["reason"]


def test_a_cut_file_stops_the_run(target: Target, tmp_path: Path) -> None:
    write_catalogue(tmp_path, 3)
    (path,) = tmp_path.rglob("*-track-update.jsonl.gz")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BadLineError, match="the gzip data end too early"):
        target.load(tmp_path)


def test_a_fingerprint_needs_a_track(target: Target, tmp_path: Path) -> None:
    write_rows(tmp_path, "fingerprint", [fingerprint(1)])
    with pytest.raises(BadLineError, match=r":1: fingerprint 1 has no track"):
        target.load(tmp_path)


def test_other_files_are_not_read(target: Target, tmp_path: Path) -> None:
    with pytest.raises(DataImportError, match="has no data files"):
        target.load(tmp_path)
    with gzip.open(tmp_path / "2026-01-02-track-update.jsonl.gz", "wb") as file:
        file.write(json.dumps({"id": 1, "gid": gid(1), "created": CREATED}).encode())
    target.load(tmp_path)
    assert target.rows("SELECT id FROM track") == [(1,)]
    write_rows(tmp_path, "track", [{"id": 2, "gid": gid(2), "created": CREATED}])
    with pytest.raises(DataImportError, match="same table and day"):
        target.load(tmp_path)


def test_no_lock_stays(target: Target, tmp_path: Path) -> None:
    write_catalogue(tmp_path, 2)
    target.load(tmp_path)
    assert target.rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]
