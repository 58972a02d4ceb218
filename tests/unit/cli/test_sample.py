"""The files of the sample catalogue."""

from pathlib import Path
from urllib.parse import parse_qs

import pytest

from cli.errors import StackError
from cli.sample import demo_lookup, write_demo_lookup
from cli.sample.build import is_sample, sample_recording
from cli.sample.musicbrainz_dump import copy_text, sample_rows
from cli.sample.recordings import MUSICBRAINZ, PATH, demo_recording, sample_recordings
from pipeline.catalog.musicbrainz.load import open_dump
from pipeline.catalog.musicbrainz.tables import METADATA
from pipeline.fingerprint.codec import decode
from pipeline.fingerprint.compare import compare2
from pipeline.fingerprint.distinct import MIN_DISTINCT_WORDS, count_distinct
from pipeline.rules import TRACK_MERGE_THRESHOLD
from tests.support.recordings import recordings

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
    """Sixty of them, each long and varied enough."""
    found = sample_recordings()
    assert len({each.mbid for each in found}) == 60
    for each in found:
        _, words = decode(each.fingerprint)
        assert count_distinct(words) >= MIN_DISTINCT_WORDS
        assert 1 <= int(each.duration) <= 32767


def test_the_files_are_small():
    """They are part of the package."""
    assert PATH.stat().st_size < 1_000_000


def test_the_rows_are_those_of_the_recordings():
    """The files are what `build` writes for these recordings, every table in its place."""
    rows = sample_rows(sample_recordings())
    assert open_dump(MUSICBRAINZ).missing == ()
    for table in METADATA.tables.values():
        written = (MUSICBRAINZ / table.name).read_text(encoding="utf-8").splitlines()
        expected = ["\t".join(map(copy_text, row)) for row in rows.get(table.name, [])]
        assert written == expected


def test_the_rows_fit_together():
    """Every reference leads somewhere."""
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


def test_ids_are_unique():
    """Within each table."""
    for name, rows in sample_rows(sample_recordings()).items():
        columns = METADATA.tables[f"musicbrainz.{name}"].c.keys()
        for key in {"id", "gid"} & set(columns):
            values = [row[columns.index(key)] for row in rows]
            assert len(set(values)) == len(values), (name, key)


def test_the_demonstration_finds_its_recording():
    """Its fingerprint is another one, and close enough."""
    [fingerprint] = parse_qs(demo_lookup())["fingerprint"]
    recording = demo_recording()
    assert fingerprint != recording.fingerprint
    score = compare2(decode(recording.fingerprint)[1], decode(fingerprint)[1])
    assert score > TRACK_MERGE_THRESHOLD


def test_the_demonstration_is_a_form(tmp_path: Path):
    """All that a lookup needs, on one line."""
    path = tmp_path / "lookup"
    write_demo_lookup(path)
    text = path.read_text()
    assert "\n" not in text
    assert set(parse_qs(text, strict_parsing=True)) == {"client", "meta", "duration", "fingerprint"}


def test_a_demonstration_that_cannot_be_written_is_an_error(tmp_path: Path):
    """It names the file."""
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
def test_tags_become_names(changed: dict[str, str], title: str, artist: str, album: str):
    """Tags first, then what the name of the file says, then nothing."""
    found = sample_recording({**MEASURED, **changed})
    assert (found.title, found.artist, found.album) == (title, artist, album)
    assert (found.degraded_fingerprint, found.degraded_duration) == ("bad", 99.0)


def test_only_tagged_recordings_of_some_sources_are_taken():
    """The others are taken whole, or not at all."""
    tagged = {"artist": "Band", "album": "Album"}
    assert not is_sample(MEASURED)
    assert is_sample({**MEASURED, "source": "marsshooter-data"})
    assert not is_sample({**MEASURED, "source": "unknown-horizons"})
    assert is_sample({**MEASURED, **tagged, "source": "unknown-horizons"})


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "\\N"), (True, "t"), (False, "f"), (7, "7"), ("a\tb\\c\nd", "a\\tb\\\\c\\nd")],
)
def test_values_are_written_as_copy_reads_them(value: str | bool | int | None, text: str):
    """Null, truth values, and what would end a value."""
    assert copy_text(value) == text


def test_the_recordings_of_the_tests_are_others():
    """No recording and no album is in both."""
    sample, test = sample_recordings(), recordings()
    assert not {each.mbid for each in sample} & {each.mbid for each in test}
    assert not {each.album for each in sample} & {each.album for each in test}
