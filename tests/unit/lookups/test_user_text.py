"""Tests of the JSON of submitted texts."""

from typing import Any

import pytest

from pipeline.catalog.fingerprint.track_links import UserText
from pipeline.lookups.metadata.meta_words import parse_meta
from pipeline.lookups.metadata.user_text import text_recording
from tests.support.catalogue.metadata_sample import TEXTS, B

ALBUM, LIVE = TEXTS[B]
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


def test_with_ids_only_the_recording_is_empty():
    """A text has no id."""
    assert text_recording(ALBUM, parse_meta("recordingids usermeta")) == {}


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
