"""Tests of the JSON of submitted texts."""

from typing import Any

import pytest

from pipeline.catalog.fingerprint.track_links import UserText
from pipeline.lookups.metadata.meta_words import parse_meta
from pipeline.lookups.metadata.user_text import text_recording
from tests.support.catalogue.metadata_sample import TEXTS, B

ALBUM, LIVE = TEXTS[B]
UNNAMED = UserText(9, None, None, None, None, 3, None, None)
TRACK = {"id": 1, "position": 4, "title": "Harbour Lights", "artists": ["Northern Pier"]}
RELEASE = {
    "title": "Salt and Rope",
    "artists": ["Northern Pier"],
    "date": {"year": 2011},
    "releaseevents": [{"date": {"year": 2011}}],
}


@pytest.mark.parametrize(
    ("meta", "shown"),
    [
        ("recordings", {}),
        (
            "recordings releasegroups",
            {"releasegroups": [{k: RELEASE[k] for k in ("title", "artists")}]},
        ),
        ("recordings releases", {"releases": [RELEASE]}),
        (
            "recordings releasegroupids releases",
            {"releasegroups": [{"releases": [RELEASE]}]},
        ),
        (
            "recordings releases tracks",
            {
                "releases": [
                    {
                        **RELEASE,
                        "mediums": [{"position": 1, "track_count": None, "tracks": [TRACK]}],
                    }
                ]
            },
        ),
        ("recordings releasegroupids releaseids", {}),
    ],
)
def test_a_full_text(meta: str, shown: dict[str, Any]):
    """Artists are strings, and only the track has an id."""
    itself = {"title": "Harbour Lights", "artists": ["Northern Pier"]}
    assert text_recording(ALBUM, parse_meta(f"{meta} usermeta")) == {**itself, **shown}


def test_a_text_without_an_album():
    """Empty titles and artists are left out; a release has an empty event."""
    itself = {"title": "Harbour Lights (live)", "artists": ["Northern Pier"]}
    release = {"releaseevents": [{}]}
    for meta, shown in [
        ("recordings releasegroups releases", {"releasegroups": [{"releases": [release]}]}),
        ("recordings releases", {"releases": [release]}),
        ("recordings releasegroups", {}),
    ]:
        assert text_recording(LIVE, parse_meta(f"{meta} usermeta")) == {**itself, **shown}


def test_unknown_positions_are_null():
    """The track and disc numbers are optional."""
    shown = text_recording(LIVE, parse_meta("recordings releaseids tracks usermeta"))
    assert shown["releases"] == [
        {
            "mediums": [
                {
                    "position": None,
                    "track_count": None,
                    "tracks": [
                        {
                            "id": 2,
                            "position": None,
                            "title": "Harbour Lights (live)",
                            "artists": ["Northern Pier"],
                        }
                    ],
                }
            ]
        }
    ]


def track_of(recording: dict[str, Any]) -> dict[str, Any]:
    """Return the only track of a recording, with or without release groups."""
    [whole] = recording.get("releasegroups", [recording])
    [release] = whole["releases"]
    [medium] = release["mediums"]
    [track] = medium["tracks"]
    return dict(track)


@pytest.mark.parametrize("recordings", ["recordings", "recordingids"])
@pytest.mark.parametrize("groups", ["", "releasegroups", "releasegroupids"])
@pytest.mark.parametrize("releases", ["releases", "releaseids"])
def test_a_track_without_title_and_artist_has_both_keys(
    recordings: str, groups: str, releases: str
):
    """The title is null and the list of artists is empty, also with `compress`."""
    meta = f"{recordings} {groups} {releases} tracks usermeta"
    shown = text_recording(UNNAMED, parse_meta(meta))
    expected = {"id": 9, "position": 3, "title": None, "artists": []}
    assert track_of(shown) == expected
    assert "title" not in shown
    assert "artists" not in shown
    if recordings == "recordingids":  # null is the title of the recording, too
        del expected["title"]
    assert track_of(text_recording(UNNAMED, parse_meta(f"{meta} compress"))) == expected


def test_a_track_with_a_title_only():
    """Its list of artists is empty."""
    text = UserText(8, "Song", None, None, None, None, None, None)
    shown = text_recording(text, parse_meta("recordings releaseids tracks usermeta"))
    assert shown["title"] == "Song"
    assert track_of(shown) == {"id": 8, "position": None, "title": "Song", "artists": []}


def test_with_compress_a_track_keeps_artists_that_the_release_does_not_have():
    """The release has another artist, or none."""
    for album_artist in (None, "Various"):
        text = UserText(8, "Song", "Band", "Album", album_artist, None, None, None)
        shown = text_recording(text, parse_meta("recordings releases tracks compress usermeta"))
        assert track_of(shown) == {"id": 8, "position": None, "artists": ["Band"]}


def test_with_compress_a_release_without_title_and_artists():
    """It has its event only, and its release group has its releases only."""
    text = UserText(8, "Song", "Band", None, None, None, None, None)
    meta = parse_meta("recordings releasegroups releases compress usermeta")
    assert text_recording(text, meta) == {
        "title": "Song",
        "artists": ["Band"],
        "releasegroups": [{"releases": [{"releaseevents": [{}]}]}],
    }


def test_with_ids_only_the_recording_is_empty():
    """A text has no id."""
    assert text_recording(ALBUM, parse_meta("recordingids usermeta")) == {}
    assert text_recording(UNNAMED, parse_meta("recordings usermeta")) == {}


def test_compress_applies_to_texts():
    """Repeated titles and artists are left out."""
    text = UserText(7, "Song", "Band", "Song", "Band", None, None, None)
    shown = text_recording(
        text, parse_meta("recordings releasegroups releases tracks compress usermeta")
    )
    assert shown == {
        "title": "Song",
        "artists": ["Band"],
        "releasegroups": [
            {
                "title": "Song",
                "releases": [
                    {
                        "releaseevents": [{}],
                        "mediums": [
                            {
                                "position": None,
                                "track_count": None,
                                "tracks": [{"id": 7, "position": None}],
                            }
                        ],
                    }
                ],
            }
        ],
    }
