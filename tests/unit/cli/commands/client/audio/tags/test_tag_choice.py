"""Tests of the choice of a recording among the results of a lookup."""

from typing import Any

import pytest

from cli.commands.client.audio.tags import tag_names
from cli.commands.client.audio.tags.tag_choice import NoChoiceError, choose_tags

ONE: dict[str, Any] = {
    "id": "m1",
    "title": "Glass Weather",
    "artists": [{"name": "Aurora Lane", "joinphrase": " feat. "}, {"name": "The Cold Fronts"}],
    "releasegroups": [{"id": "r1", "title": "Slow Storm"}],
}
OTHER: dict[str, Any] = {"id": "m2", "title": "Glass Weather (duet)"}
TEXT: dict[str, Any] = {"title": "Harbour Lights", "artists": ["Northern Pier"]}


def result(score: float, *recordings: dict[str, Any], track: str = "t1") -> dict[str, Any]:
    return {"id": track, "score": score, "recordings": list(recordings)}


def test_the_names_of_the_only_recording_are_chosen() -> None:
    assert choose_tags([result(0.95, ONE)], 0.8) == {
        tag_names.TITLE: "Glass Weather",
        tag_names.ARTIST: "Aurora Lane feat. The Cold Fronts",
        tag_names.ALBUM: "Slow Storm",
        tag_names.RECORDING: "m1",
        tag_names.ACOUSTID: "t1",
    }


def test_submitted_texts_are_chosen_without_an_mbid() -> None:
    assert choose_tags([result(0.8, TEXT)], 0.8) == {
        tag_names.TITLE: "Harbour Lights",
        tag_names.ARTIST: "Northern Pier",
        tag_names.ACOUSTID: "t1",
    }
    assert choose_tags([result(0.9, {"id": "m3"}, TEXT)], 0.8) == {
        tag_names.TITLE: "Harbour Lights",
        tag_names.ARTIST: "Northern Pier",
        tag_names.RECORDING: "m3",
        tag_names.ACOUSTID: "t1",
    }


def test_an_album_is_chosen_if_there_is_one_only() -> None:
    groups = [{"title": "Slow Storm"}, {"title": "Slow Storm"}, {"id": "r3"}]
    assert choose_tags([result(1, {**ONE, "releasegroups": groups})], 0.8)[tag_names.ALBUM]
    groups = [{"title": "Slow Storm"}, {"title": "Hits"}]
    assert tag_names.ALBUM not in choose_tags([result(1, {**ONE, "releasegroups": groups})], 0.8)


def test_the_best_track_of_a_recording_is_chosen() -> None:
    results = [result(0.9, ONE, track="best"), result(0.85, ONE, track="next"), result(0.5, OTHER)]
    assert choose_tags(results, 0.8)[tag_names.ACOUSTID] == "best"


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ([], "no recording has this fingerprint"),
        ([result(0.79, ONE)], "the best score is 0.79, below 0.80"),
        ([result(0.95, ONE, OTHER)], "2 recordings match it"),
        ([result(0.95, ONE), result(0.81, OTHER)], "2 recordings match it"),
        ([result(0.9, TEXT, {**TEXT, "title": "Harbor Lights"})], "2 recordings match it"),
        ([result(0.9)], "the server has no name for it"),
        ([result(0.9, {**ONE, "duration_mismatch": True})], "the server has no name for it"),
    ],
)
def test_in_doubt_nothing_is_chosen(results: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(NoChoiceError, match=reason):
        choose_tags(results, 0.8)


def test_a_recording_of_another_length_does_not_count() -> None:
    chosen = choose_tags([result(0.9, ONE, {**OTHER, "duration_mismatch": True})], 0.8)
    assert chosen[tag_names.RECORDING] == "m1"
