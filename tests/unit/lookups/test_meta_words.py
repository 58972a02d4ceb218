"""Tests of the words of `meta`: normalization, combinations, and the places that list them."""

from dataclasses import replace
from pathlib import Path

import pytest

from api.openapi import openapi_document
from pipeline.lookups.metadata.meta_words import (
    META_WORDS,
    Detail,
    MetaOptions,
    normalize_meta,
    parse_meta,
    without_mismatches,
)

FULL, IDS = Detail.FULL, Detail.IDS
API_PAGE = Path(__file__).parents[3] / "docs" / "api.md"


@pytest.mark.parametrize("meta", ["", " ", "0", "recording", "RECORDINGS", "3"])
def test_without_a_known_word_no_option_is_set(meta: str):
    assert parse_meta(meta) == MetaOptions()
    assert normalize_meta(meta) == ""


@pytest.mark.parametrize("meta", ["tracks", "sources", "usermeta", "compress", "tracks usermeta"])
def test_words_that_need_recordings_or_releases_show_nothing_alone(meta: str):
    assert not parse_meta(meta).shows_links


@pytest.mark.parametrize(
    ("meta", "options"),
    [
        ("1", MetaOptions(recordings=IDS)),
        ("2", MetaOptions(legacy=True)),
        (" 2 ", MetaOptions(legacy=True)),
        ("recordings m2 releases", MetaOptions(legacy=True)),
        ("recordings", MetaOptions(recordings=FULL)),
        ("\trecordings\n recordings ", MetaOptions(recordings=FULL)),
        ("isrcs", MetaOptions(recordings=FULL, isrcs=True)),
        ("recordings recordingids", MetaOptions(recordings=IDS)),
        ("releases releaseids", MetaOptions(releases=IDS)),
        ("releasegroups releasegroupids", MetaOptions(release_groups=IDS)),
        (
            "recordingids sources usermeta",
            MetaOptions(recordings=IDS, sources=True, user_text=True),
        ),
        ("releases tracks compress", MetaOptions(releases=FULL, tracks=True, compress=True)),
        ("releasegroups tracks", MetaOptions(release_groups=FULL)),
        ("1 recordings", MetaOptions(recordings=FULL)),
        ("1 2", MetaOptions()),
        ("unknown isrcs", MetaOptions(recordings=FULL, isrcs=True)),
    ],
)
def test_words_combine(meta: str, options: MetaOptions):
    """Ids win over the full form, `m2` wins over all, and a shorthand is the whole value."""
    assert parse_meta(meta) == options
    assert parse_meta(normalize_meta(meta)) == options


@pytest.mark.parametrize(
    ("meta", "normalized"),
    [
        (None, ""),
        ("1", "recordingids"),
        ("2", "m2"),
        ("recordings  releases\trecordings", "recordings releases"),
        ("releases recordings", "recordings releases"),
        ("x" * 1000 + " isrcs unknown", "isrcs"),
        ("recordings hide_duration_mismatches", "recordings"),
    ],
)
def test_equal_wishes_have_equal_texts(meta: str | None, normalized: str):
    assert normalize_meta(meta) == normalized


@pytest.mark.parametrize("word", META_WORDS)
def test_every_word_is_kept_and_documented(word: str):
    assert normalize_meta(word) == word
    assert f"`{word}`" in openapi_document()["paths"]["/v2/lookup"]["get"]["description"]
    assert f"`{word}`" in API_PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("meta", "reads"),
    [
        ("recordingids sources", False),
        ("recordings", True),
        ("isrcs", True),
        ("recordingids usermeta", True),
        ("recordingids releaseids", True),
        ("releasegroupids", True),
        ("m2", True),
    ],
)
def test_musicbrainz_is_read_only_for_words_that_need_it(meta: str, *, reads: bool):
    """Recording ids and the numbers of sources are in the links."""
    assert parse_meta(meta).reads_musicbrainz is reads


@pytest.mark.parametrize("meta", ["recordings", "recordingids sources", "releases", "m2"])
def test_to_hide_mismatches_is_an_option_beside_the_others(meta: str):
    """Only the front end sets it; with it, lengths are read for each kind of metadata."""
    options = parse_meta(without_mismatches(normalize_meta(meta)))
    assert options == replace(parse_meta(meta), hide_mismatches=True)
    assert options.reads_musicbrainz
    assert options.compares_lengths


def test_without_metadata_there_is_nothing_to_hide():
    assert without_mismatches("") == ""


@pytest.mark.parametrize(
    ("meta", "compares"),
    [
        ("recordingids sources", False),
        ("releases", False),
        ("recordings", True),
        ("recordingids releaseids", True),
        ("m2", True),
    ],
)
def test_lengths_are_read_where_recordings_are_shown_and_musicbrainz_is_read(
    meta: str, *, compares: bool
):
    assert parse_meta(meta).compares_lengths is compares
