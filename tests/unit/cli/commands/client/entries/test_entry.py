"""Entries become the parameters of lookups and submissions."""

from typing import Any

import pytest

from cli.commands.client.entries.entry import (
    Entry,
    InvalidEntryError,
    lookup_pairs,
    submission_pairs,
)


def entry(**fields: Any) -> Entry:
    return Entry(7, "line 7", b"", {"fingerprint": "AQAA", "duration": 223.5, **fields})


def test_the_parameters_of_a_lookup() -> None:
    assert lookup_pairs(entry(track="x")) == [("duration", "224"), ("fingerprint", "AQAA")]


def test_the_parameters_of_a_submission() -> None:
    pairs = submission_pairs(
        entry(mbid=["a", "b", ""], track=1999, year=2001.0, format="MP3", album=None, id={"x": 1})
    )
    assert sorted(pairs) == [
        ("duration", "224"),
        ("fileformat", "MP3"),
        ("fingerprint", "AQAA"),
        ("mbid", "a"),
        ("mbid", "b"),
        ("track", "1999"),
        ("year", "2001"),
    ]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"fingerprint": ""}, "fingerprint is missing"),
        ({"fingerprint": 3}, "fingerprint must be a text"),
        ({"duration": None}, "duration is missing"),
        ({"duration": ""}, "duration is missing"),
        ({"duration": 0}, "duration must be a number of seconds from 1 to 32767"),
        ({"duration": 0.4}, "duration must be"),
        ({"duration": "long"}, "duration must be"),
        ({"duration": {}}, "duration must be"),
        ({"track": {"name": "x"}}, "track must be a text or a number"),
        ({"track": True}, "track must be a text or a number"),
        ({"mbid": [["x"]]}, "mbid must be a text or a number"),
        ({"artist": ["x", "y"]}, "artist must have one value"),
        ({"year": float("inf")}, "year must be a finite number"),
    ],
)
def test_the_reason_of_an_invalid_entry(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidEntryError) as caught:
        submission_pairs(entry(**fields))
    assert reason in str(caught.value)


def test_a_list_of_one_value_is_this_value() -> None:
    assert ("artist", "x") in submission_pairs(entry(artist=["x"]))
