"""An export has the rows of each day in the form of the public service."""

import gzip
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from pipeline.catalog.fingerprint import tables as t
from pipeline.data_files.file_names import parse_file_name
from pipeline.runtime.databases import Databases
from tests.integration.export.conftest import PUID, execute, set_times
from tests.support.catalogue.exports import manifest_of, names, read_lines, rows_of, run_export
from tests.support.catalogue.imports import MBID, Importer
from tests.support.catalogue.synthetic import fingerprint

PRIVATE = ("apikey", "tester", "203.0.113.5")


def test_each_table_has_a_file_of_the_day(
    importer: Importer, databases: Databases, out: Path
) -> None:
    """The rows have the fields of the public service in its order, and then our own ones."""
    before = datetime.now(UTC)
    run_export(databases, out)
    found = {}
    for name in names(out):
        parsed = parse_file_name(name)
        assert parsed
        assert str(parsed) == name
        assert before.date() <= parsed.day <= datetime.now(UTC).date()
        [line] = gzip.decompress((out / name).read_bytes()).decode().splitlines()
        found[parsed.table.name.removesuffix("-update")] = json.loads(line)
        permitted = [*parsed.table.fields, *parsed.table.own_fields]
        assert list(json.loads(line)) == [each for each in permitted if each in json.loads(line)]
        assert ", " not in line
    times = {kind: row.pop("created") for kind, row in found.items()}
    assert set(times) == {
        "track",
        "meta",
        "fingerprint",
        "track_fingerprint",
        "track_mbid",
        "track_puid",
        "track_meta",
        "track_foreignid",
    }
    for text in times.values():
        assert text.endswith("+00:00")
        assert before - timedelta(seconds=60) < datetime.fromisoformat(text) < datetime.now(UTC)
    [track] = importer.rows(t.track)
    [meta] = importer.rows(t.meta)
    link = {"id": 1, "track_id": 1, "submission_count": 1}
    assert found == {
        "track": {"id": 1, "gid": str(track.gid)},
        "meta": {"id": 1, "track": 'Vérmocsár "1"', "year": 1999, "gid": str(meta.gid)},
        "fingerprint": {
            "id": 1,
            "fingerprint": fingerprint(1).view(np.int32).tolist(),
            "length": 200,
            "bitrate": 320,
            "format": "MP3",
        },
        "track_fingerprint": {**link, "fingerprint_id": 1},
        "track_mbid": {**link, "mbid": str(MBID)},
        "track_puid": {**link, "puid": str(PUID)},
        "track_meta": {**link, "meta_id": 1},
        "track_foreignid": {
            **link,
            "foreignid_id": 1,
            "vendor_id": 1,
            "vendor": "vendor",
            "name": "name:1",
        },
    }


def test_fields_of_changed_rows(importer: Importer, databases: Databases, out: Path) -> None:
    """Flags, redirects and merges are in the file of the day on which they were set."""
    importer.run(importer.receipt(fingerprint(2), mbid=PUID))
    execute(
        databases,
        "UPDATE track_mbid SET disabled = true, merged_into = 2 WHERE id = 1",
        "UPDATE track SET new_id = 2 WHERE id = 1",
    )
    run_export(databases, out)
    first, second = sorted(rows_of(out, "track_mbid"), key=lambda row: row["id"])
    assert (first["disabled"], first["merged_into"], "updated" in first) == (True, 2, True)
    assert not {"disabled", "merged_into", "updated"} & second.keys()
    assert [row.get("new_id") for row in rows_of(out, "track")] == [2, None]


def test_a_row_is_in_the_files_of_both_its_days(
    importer: Importer, databases: Databases, out: Path
) -> None:
    """A day begins at midnight in UTC."""
    assert importer
    set_times(
        databases,
        t.track_mbid,
        created="2024-02-28 23:59:59.5+00",
        updated="2024-03-01 00:30:00+01",
    )
    set_times(databases, t.track_puid, created="2024-02-28 00:00+00", updated="2024-03-01 00:00+00")
    set_times(databases, t.meta, created="2024-02-29 12:00+00")
    run_export(databases, out)
    found = {
        table: [name[13:23] for name in names(out) if name.endswith(f"-{table}-update.jsonl.gz")]
        for table in ("track_mbid", "track_puid", "meta")
    }
    assert found == {
        "track_mbid": ["2024-02-28", "2024-02-29"],
        "track_puid": ["2024-02-28", "2024-03-01"],
        "meta": ["2024-02-29"],
    }
    first, second = rows_of(out, "track_mbid")
    assert first == second
    assert (first["created"], first["updated"]) == (
        "2024-02-28T23:59:59.5+00:00",
        "2024-02-29T23:30:00+00:00",
    )


def test_the_manifest_describes_each_file(
    importer: Importer, databases: Databases, out: Path
) -> None:
    assert importer
    before = datetime.now(UTC)
    run_export(databases, out)
    manifest = manifest_of(out)
    assert manifest.is_complete
    assert not manifest.is_private
    assert abs(manifest.snapshot - before) < timedelta(minutes=1)
    assert sorted(manifest.files) == names(out)
    for name, entry in manifest.files.items():
        content = (out / name).read_bytes()
        assert entry.sha256 == hashlib.sha256(content).hexdigest()
        assert (entry.size, entry.rows) == (len(content), len(read_lines(out / name)))
        assert entry.snapshot == manifest.snapshot
    assert manifest.highest_ids == dict.fromkeys(
        [
            "fingerprint",
            "foreignid",
            "foreignid_vendor",
            "meta",
            "track",
            "track_foreignid",
            "track_mbid",
            "track_meta",
            "track_puid",
        ],
        1,
    )


def test_ids_of_deleted_rows_count_as_highest(
    importer: Importer, databases: Databases, out: Path
) -> None:
    """An import must not give an id again that the source has given."""
    importer.run(importer.receipt(fingerprint(2), mbid=None, meta={"track": "Other"}))
    execute(databases, "DELETE FROM track_meta WHERE id = 2")
    run_export(databases, out)
    assert manifest_of(out).highest_ids["track_meta"] == 2


def test_deletions_are_rows(importer: Importer, databases: Databases, out: Path) -> None:
    assert importer
    execute(databases, "DELETE FROM track_puid", "DELETE FROM track_meta", "DELETE FROM meta")
    run_export(databases, out)
    rows = rows_of(out, "deletion")
    assert [(row["table_name"], row["row_id"]) for row in rows] == [
        ("track_puid", 1),
        ("track_meta", 1),
        ("meta", 1),
    ]
    assert [list(row) for row in rows] == [["id", "table_name", "row_id", "created"]] * 3
    assert not rows_of(out, "track_puid")


def test_an_empty_catalogue_has_a_manifest_only(databases: Databases, out: Path) -> None:
    report = run_export(databases, out)
    assert (report.rows, report.files, names(out)) == (0, 0, [])
    assert manifest_of(out).is_complete


def test_nothing_private_is_in_a_public_export(
    importer: Importer, databases: Databases, out: Path
) -> None:
    """No name of an account, key or address, in any file."""
    with databases.engine("app").begin() as connection:
        connection.execute(sa.text("UPDATE account SET created_from = '203.0.113.5'"))
        keys = connection.execute(sa.text("SELECT apikey FROM account")).scalars().all()
        keys += connection.execute(sa.text("SELECT apikey FROM application")).scalars().all()
    assert importer
    run_export(databases, out)
    texts = [gzip.decompress((out / name).read_bytes()).decode() for name in names(out)]
    text = "".join((*texts, (out / "manifest.json").read_text())).lower()
    assert not [word for word in (*PRIVATE, *keys) if word in text]
    assert not (out / "private").exists()


def test_equal_rows_give_equal_bytes(importer: Importer, databases: Databases, out: Path) -> None:
    """So that a copy by checksum leaves out files that were written again."""
    assert importer
    run_export(databases, out / "one")
    run_export(databases, out / "two")
    for name in names(out / "one"):
        assert (out / "one" / name).read_bytes() == (out / "two" / name).read_bytes()


def test_rows_in_the_future_are_written_too(
    importer: Importer, databases: Databases, out: Path
) -> None:
    """Their day is not final, unlike that of their creation."""
    assert importer
    later = datetime.now(UTC) + timedelta(days=40)
    set_times(
        databases, t.track_mbid, created="2006-05-04 10:00+00", updated=f"{later:%F} 12:00+00"
    )
    run_export(databases, out)
    files = manifest_of(out).files
    found = [(name[13:23], files[name].is_final) for name in names(out) if "track_mbid" in name]
    assert found == [("2006-05-04", True), (f"{later:%F}", False)]
