"""The files of the sample catalogue, and their creation."""

from pathlib import Path
from urllib.parse import parse_qs

import pytest

from cli.errors import StackError
from cli.sample import demo_lookup, write_demo_lookup
from cli.sample.build import is_sample, sample_recording
from cli.sample.musicbrainz_dump import copy_text, sample_rows
from cli.sample.recordings import MUSICBRAINZ, PATH, demo_recording, sample_recordings
from pipeline.catalog.musicbrainz.dump.directory import open_directory
from pipeline.catalog.musicbrainz.dump.dump_format import TABLES
from pipeline.catalog.musicbrainz.tables import METADATA
from pipeline.fingerprint.codec import decode
from pipeline.fingerprint.compare import compare2
from pipeline.fingerprint.distinct import MIN_DISTINCT_WORDS, count_distinct_batch
from pipeline.thresholds import IMPORT_MATCH_THRESHOLD
from tests.support.catalogue.recordings import recordings

MEASURED = {
    "mbid": "m",
    "source": "some-music",
    "track": "01 - Some Band - Some Song",
    "artist": "",
    "album": "some-music",
    "duration": 100.5,
    "format": "OGG",
    "bitrate": 96,
    "fingerprint": "whole",
    "variants": [
        {"kind": "mp3_96k", "duration": 100.0, "fingerprint": "worse"},
        {"kind": "opus_48k", "duration": 99.0, "fingerprint": "bad"},
    ],
}


def test_the_recordings_can_be_imported():
    """There are 60, each with enough distinct words and a valid duration."""
    found = sample_recordings()
    assert len({each.mbid for each in found}) == 60
    for each in found:
        _, words = decode(each.fingerprint)
        assert count_distinct_batch([words])[0] >= MIN_DISTINCT_WORDS
        assert 1 <= int(each.duration) <= 32767


def test_the_recordings_take_less_than_1_mb():
    assert PATH.stat().st_size < 1_000_000


def test_the_dump_is_up_to_date_with_the_recordings():
    """`write_dump` writes the same files for the recordings."""
    rows = sample_rows(sample_recordings())
    assert open_directory(MUSICBRAINZ).tables == TABLES
    for table in METADATA.tables.values():
        written = (MUSICBRAINZ / table.name).read_text(encoding="utf-8").splitlines()
        expected = ["\t".join(map(copy_text, row)) for row in rows.get(table.name, [])]
        assert written == expected


def test_every_reference_between_tables_exists():
    tables = {
        name: [
            dict(zip(METADATA.tables[f"musicbrainz.{name}"].c.keys(), row, strict=True))
            for row in rows
        ]
        for name, rows in sample_rows(sample_recordings()).items()
    }
    references = {
        ("track", "recording"): "recording",
        ("track", "medium"): "medium",
        ("medium", "release"): "release",
        ("medium", "format"): "medium_format",
        ("release", "release_group"): "release_group",
        ("release_group", "type"): "release_group_primary_type",
        ("artist_credit_name", "artist"): "artist",
        ("isrc", "recording"): "recording",
        ("release_country", "country"): "area",
        **{
            (table, "artist_credit"): "artist_credit"
            for table in ("recording", "track", "release", "release_group", "artist_credit_name")
        },
    }
    for (table, column), target in references.items():
        known = {row["id"] for row in tables[target]}
        assert {row[column] for row in tables[table]} <= known, (table, column)


def test_ids_are_unique_in_each_table():
    for name, rows in sample_rows(sample_recordings()).items():
        columns = METADATA.tables[f"musicbrainz.{name}"].c.keys()
        for key in {"id", "gid"} & set(columns):
            values = [row[columns.index(key)] for row in rows]
            assert len(set(values)) == len(values), (name, key)


def test_the_demo_lookup_scores_above_the_threshold():
    """Its fingerprint differs from that of the recording."""
    [fingerprint] = parse_qs(demo_lookup())["fingerprint"]
    recording = demo_recording()
    assert fingerprint != recording.fingerprint
    score = compare2(decode(recording.fingerprint)[1], decode(fingerprint)[1])
    assert score > IMPORT_MATCH_THRESHOLD


def test_the_demo_lookup_is_a_form_on_one_line(tmp_path: Path):
    path = tmp_path / "lookup"
    write_demo_lookup(path)
    text = path.read_text()
    assert "\n" not in text
    assert set(parse_qs(text, strict_parsing=True)) == {"client", "meta", "duration", "fingerprint"}


def test_an_error_names_the_file_that_cannot_be_written(tmp_path: Path):
    with pytest.raises(StackError, match="missing/lookup cannot be written"):
        write_demo_lookup(tmp_path / "missing" / "lookup")


@pytest.mark.parametrize(
    ("changed", "title", "artist", "album"),
    [
        ({}, "Some Song", "Some Band", ""),
        ({"track": "Intro"}, "Intro", "[unknown]", ""),
        ({"artist": "Band", "album": "Album"}, "01 - Some Band - Some Song", "Band", "Album"),
    ],
)
def test_names_come_from_tags_or_the_file_name(
    changed: dict[str, str], title: str, artist: str, album: str
):
    """Tags have precedence over the file name."""
    found = sample_recording({**MEASURED, **changed})
    assert (found.title, found.artist, found.album) == (title, artist, album)
    assert (found.degraded_fingerprint, found.degraded_duration) == ("bad", 99.0)


def test_some_sources_need_complete_tags():
    tagged = {"artist": "Band", "album": "Album"}
    assert not is_sample(MEASURED)
    assert is_sample({**MEASURED, "source": "marsshooter-data"})
    assert not is_sample({**MEASURED, "source": "unknown-horizons"})
    assert is_sample({**MEASURED, **tagged, "source": "unknown-horizons"})


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "\\N"), (True, "t"), (False, "f"), (7, "7"), ("a\tb\\c\nd", "a\\tb\\\\c\\nd")],
)
def test_values_have_the_text_format_of_copy(value: str | bool | int | None, text: str):
    """Null, booleans, and characters with a meaning in the format."""
    assert copy_text(value) == text


def test_sample_and_test_recordings_are_disjoint():
    sample, test = sample_recordings(), recordings()
    assert not {each.mbid for each in sample} & {each.mbid for each in test}
    assert not {each.album for each in sample} & {each.album for each in test}
