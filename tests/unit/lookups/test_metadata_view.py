"""Tests of the JSON of tracks, made from the rows of a sample."""

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog.duration_mismatch import LengthRange
from pipeline.catalog.musicbrainz.metadata import Artist, MusicbrainzRows
from pipeline.lookups.metadata.json_parts import artist_lists
from pipeline.lookups.metadata.meta_words import parse_meta, without_mismatches
from pipeline.lookups.metadata.view import MetadataRows, MetadataView
from tests.support.catalogue.metadata_sample import (
    CATALOGUE,
    DUET,
    HARBOUR,
    LENGTHS,
    LINKS,
    WEATHER,
    A,
    B,
    C,
    D,
    E,
    gid,
)

EXAMPLES = json.loads(
    (Path(__file__).parents[2] / "data/metadata_examples.json").read_text(encoding="utf-8")
)
WORDS = ("recordings", "releasegroups", "releases", "tracks", "isrcs", "sources")


def shown(track_id: int, meta: str, musicbrainz: MusicbrainzRows = CATALOGUE) -> dict[str, Any]:
    """Return the metadata of a track."""
    rows = MetadataRows(LINKS, musicbrainz, artist_lists(musicbrainz), LENGTHS)
    return MetadataView(parse_meta(meta), rows).of_track(track_id)


def inherit(part: dict[str, Any], whole: dict[str, Any], *keys: str) -> None:
    """Set missing keys of a part from the whole around it, as a client does."""
    for key in keys:
        if key not in part and key in whole:
            part[key] = whole[key]


def expand(whole: dict[str, Any]) -> None:
    """Expand a compressed answer, as a client does."""
    for group in whole.get("releasegroups", ()):
        inherit(group, whole, "artists")
        for release in group.get("releases", ()):
            inherit(release, group, "title", "artists")
            expand_tracks(release, whole)
    for release in whole.get("releases", ()):
        inherit(release, whole, "artists")
        expand_tracks(release, whole)


def expand_tracks(release: dict[str, Any], whole: dict[str, Any]) -> None:
    """Set the missing titles and artists of tracks."""
    for medium in release.get("mediums", ()):
        for track in medium["tracks"]:
            inherit(track, release, "artists")
            inherit(track, whole, "title")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["meta"] or "none")
def test_examples_of_the_protocol(example: dict[str, Any]):
    """Each answer equals that of the protocol's description."""
    assert shown(A, example["meta"]) == example["shown"]


def test_a_track_without_links_has_no_metadata():
    """There is no key `recordings`."""
    metas = ("recordings", "recordingids", "releases", "releasegroupids", "m2")
    assert [shown(B, meta) for meta in metas] == [{}] * 5


@pytest.mark.parametrize("track_id", [C, D])
def test_releases_of_unknown_and_stand_alone_recordings_are_an_empty_list(track_id: int):
    """The key `releases` is there."""
    assert shown(track_id, "releases") == {"releases": []}
    assert shown(track_id, "releasegroupids releases") == {"releasegroups": []}


def test_with_releases_a_stand_alone_recording_has_only_its_id():
    """Without releases it has its title and artists."""
    assert shown(D, "recordings releaseids sources") == {"recordings": [{"id": DUET, "sources": 3}]}
    assert shown(D, "recordings")["recordings"][0]["title"] == "Glass Weather (duet)"
    assert shown(D, "m2") == {"recordings": [{"id": DUET}]}


def test_sources_are_those_of_the_track():
    """Two tracks of one recording have different counts."""
    rows = MetadataRows(LINKS, CATALOGUE, artist_lists(CATALOGUE))
    view = MetadataView(parse_meta("recordings sources"), rows)
    counts = [view.of_track(track_id)["recordings"][0]["sources"] for track_id in (A, E)]
    assert counts == [12, 4]


def test_recordings_are_in_the_order_of_their_mbids():
    """The links are ordered so too."""
    assert [each["id"] for each in shown(E, "recordingids")["recordings"]] == [WEATHER, HARBOUR]


@pytest.mark.parametrize(
    "meta", ["recordings", "isrcs", "m2", "recordings sources", "recordings releases compress"]
)
def test_a_recording_of_another_length_has_a_flag(meta: str):
    """The other recordings of the track have none, and neither have those of unknown length."""
    flags = {each["id"]: each.get("duration_mismatch") for each in shown(E, meta)["recordings"]}
    assert flags == {WEATHER: None, HARBOUR: True}
    assert all("duration_mismatch" not in each for each in shown(A, meta)["recordings"])
    assert all("duration_mismatch" not in each for each in shown(D, meta)["recordings"])


def test_ids_alone_have_no_flag():
    """MusicBrainz is not read for them, unless other words need it."""
    ids = [{"id": WEATHER}, {"id": HARBOUR}]
    assert shown(E, "recordingids")["recordings"] == ids
    assert shown(E, "recordingids releaseids")["recordings"][1]["duration_mismatch"]


def test_the_flag_is_of_the_link_and_not_of_the_recording():
    """A recording can fit one track and not another one, in one view."""
    links = {A: LINKS[E], E: LINKS[E]}
    lengths = {A: LengthRange(60, 61), E: LengthRange(240, 240)}
    rows = MetadataRows(links, CATALOGUE, artist_lists(CATALOGUE), lengths)
    view = MetadataView(parse_meta("recordings"), rows)
    flagged = {
        track: [
            each["id"] for each in view.of_track(track)["recordings"] if "duration_mismatch" in each
        ]
        for track in (A, E)
    }
    assert flagged == {A: [WEATHER], E: [HARBOUR]}


@pytest.mark.parametrize(
    ("meta", "part"),
    [
        ("recordings", "recordings"),
        ("recordingids", "recordings"),
        ("recordingids sources", "recordings"),
        ("m2", "recordings"),
        ("releaseids", "releases"),
        ("releasegroups", "releasegroups"),
    ],
)
def test_hidden_recordings_are_left_out_with_their_releases(meta: str, part: str):
    """The rest is as if the track had no link to them."""
    links = {E: [link for link in LINKS[E] if link.mbid == WEATHER]}
    rows = MetadataRows(links, CATALOGUE, artist_lists(CATALOGUE))
    without = MetadataView(parse_meta(meta), rows).of_track(E)
    assert shown(E, without_mismatches(meta)) == without
    assert len(shown(E, meta)[part]) > len(without[part])
    assert shown(A, without_mismatches(meta)) == shown(A, meta)


def test_a_track_whose_recordings_are_all_hidden_has_none():
    """It is like a track without links."""
    links = {E: [link for link in LINKS[E] if link.mbid == HARBOUR]}
    rows = MetadataRows(links, CATALOGUE, artist_lists(CATALOGUE), LENGTHS)
    for meta in ("recordings", "recordingids", "m2", "releases"):
        assert MetadataView(parse_meta(without_mismatches(meta)), rows).of_track(E) == {}


def test_releases_collect_the_tracks_of_all_recordings():
    """Without recordings, a medium has the tracks of all recordings of the track."""
    releases = shown(E, "releases tracks")["releases"]
    assert [release["id"] for release in releases] == [gid("cc", n) for n in (1, 2, 3)]
    assert [
        [(medium["position"], [track["id"] for track in medium["tracks"]]) for medium in mediums]
        for mediums in (release["mediums"] for release in releases)
    ] == [
        [(1, [gid("ee", 5), gid("ee", 1)]), (2, [gid("ee", 6)])],
        [(1, [gid("ee", 2)])],
        [(1, [gid("ee", 7)])],
    ]


def test_missing_values_are_left_out():
    """The type of a group, the names of a credit, the place and date of an event."""
    group = shown(E, "releasegroups releases tracks")["releasegroups"][2]
    assert group == {
        "id": gid("bb", 3),
        "title": "Harbour",
        "releases": [
            {
                "id": gid("cc", 3),
                "title": "Harbour",
                "medium_count": 1,
                "track_count": 5,
                "releaseevents": [{}],
                "mediums": [
                    {
                        "position": 1,
                        "track_count": 5,
                        "tracks": [{"id": gid("ee", 7), "position": 1, "title": "Harbour"}],
                    }
                ],
            }
        ],
    }


def test_a_medium_has_its_title_and_its_format():
    """Both are optional."""
    mediums = shown(E, "releases tracks")["releases"][0]["mediums"]
    assert [(each.get("format"), each.get("title")) for each in mediums] == [
        ("CD", None),
        (None, "Bonus"),
    ]


def test_m2_leaves_out_the_duration_of_a_track_without_a_length():
    """The rest of the answer is the same."""
    tracks = shown(E, "m2")["recordings"][1]["tracks"]
    assert [track.get("duration") for track in tracks] == [None, 61.0, None]
    assert tracks[0] == {
        "title": "Harbour",
        "position": 1,
        "medium": {
            "position": 1,
            "format": "CD",
            "track_count": 10,
            "release": {"id": gid("cc", 1), "title": "Slow Storm"},
        },
    }


@pytest.mark.parametrize("count", range(1, len(WORDS) + 1))
def test_a_compressed_answer_can_be_expanded(count: int):
    """The expanded answer equals the answer without `compress`, for all words."""
    credited = replace(CATALOGUE, artists={**CATALOGUE.artists, 3: [Artist(gid("aa", 3), "I", "")]})
    for words in combinations(WORDS, count):
        meta = " ".join(words)
        compressed = json.loads(json.dumps(shown(E, f"{meta} compress", credited)))
        for whole in compressed.get("recordings", [compressed]):
            expand(whole)
        assert compressed == shown(E, meta, credited)


def test_compress_removes_only_values_that_a_parent_shows():
    """A parent that is an id only shows none."""
    release = shown(A, "recordingids releasegroupids releases tracks compress")["recordings"][0]
    release = release["releasegroups"][0]["releases"][0]
    assert release["title"] == "Slow Storm"
    assert release["artists"]
    assert release["mediums"][0]["tracks"] == [
        {"id": gid("ee", 1), "position": 3, "title": "Glass Weather"}
    ]
