"""The results of lookups as text."""

from typing import Any

import pytest

from cli.commands.client.entries.search_mode import SearchMode
from cli.commands.client.http_client import UnexpectedReplyError
from cli.commands.client.lookup_results import clock, describe, describe_best, results_of

MATCH = {"offset": 41.2, "duration": 9.9, "matched": 0.962}


def result(**fields: Any) -> dict[str, Any]:
    return {"id": "t", "score": 0.92, **fields}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (41.2, "0:41.20"),
        (0, "0:00.00"),
        (59.999, "1:00.00"),
        (3723.4, "1:02:03.40"),
        (-3.1, "-0:03.10"),
        (-0.001, "0:00.00"),
    ],
)
def test_a_place_in_a_recording(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_the_place_of_an_excerpt_follows_the_track_and_the_best_recording() -> None:
    named = result(match=MATCH, recordings=[{"id": "r", "title": "Glass Weather"}])
    assert describe([named]).splitlines() == [
        "0.92  track t  at 0:41.20",
        "      Glass Weather  [recording r]",
    ]
    assert describe_best([named]) == "0.92  Glass Weather  [recording r]  at 0:41.20"
    assert describe_best([result(match=MATCH)]) == "0.92  track t  at 0:41.20"
    assert describe_best([result()]) == "0.92  track t"


def test_the_text_without_results_names_what_was_searched() -> None:
    assert describe([]) == "No recording has this fingerprint."
    assert describe([], SearchMode(excerpt=True)) == "No recording contains this excerpt."


@pytest.mark.parametrize("match", [None, [], {}, {**MATCH, "offset": "x"}])
def test_a_match_without_its_numbers_is_no_reply_of_the_service(match: object) -> None:
    with pytest.raises(UnexpectedReplyError):
        results_of({"results": [result(match=match)]})
    assert results_of({"results": [result(match=MATCH)]})
