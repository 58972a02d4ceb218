"""`acoustid evaluate` on bundled recordings, and the least accuracy that it must show."""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner, Result

from bench.identification.algorithms import ask_excerpts
from bench.identification.catalogue import Catalogue
from bench.identification.command import evaluate_command
from bench.identification.kinds import KindFigures, measure_kinds, query_of
from bench.identification.leave_out import Half, measure_false_matches, split
from bench.identification.recordings import (
    BUNDLED,
    FINGERPRINTS,
    ROUGH,
    Recording,
    load_recordings,
)

RATE: Final = 4

LEAST_RECALL: Final = {
    "excerpt5s": 0.80,
    "excerpt10s": 0.96,
    "excerpt15s": 0.98,
    "excerpt20s": 0.99,
    "excerpt30s": 0.99,
    "excerpt30s_mic": 0.45,
    "phone": 0.58,
    "mic": 0.70,
    "tempo0.96": 0.97,
    "tempo1.04": 0.97,
    "speed0.99": 0.60,
    "speed1.01": 0.60,
    "intro10s_music": 0.98,
    "intro25s_silence": 0.98,
    "edit20s": 0.98,
    "mp3_96k": 1.0,
}
"""The least share of variants whose first result is the correct recording."""

CLEAN: Final = ("excerpt5s", "excerpt10s", "excerpt15s", "excerpt20s", "excerpt30s")


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    return load_recordings(BUNDLED, LEAST_RECALL)


@pytest.fixture(scope="module")
def catalogue(
    recordings: list[Recording], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Catalogue]:
    with Catalogue(tmp_path_factory.mktemp("catalogue"), recordings, RATE) as opened:
        yield opened


@pytest.fixture(scope="module")
def figures(catalogue: Catalogue, recordings: list[Recording]) -> Mapping[str, KindFigures]:
    return measure_kinds(catalogue, recordings)


def test_recall_is_high_enough(figures: Mapping[str, KindFigures]) -> None:
    found = {kind: each.both.recall for kind, each in figures.items()}
    assert {kind: each for kind, each in found.items() if each < LEAST_RECALL[kind]} == {}


def test_no_kind_is_found_less_often_than_by_the_public_algorithm(
    figures: Mapping[str, KindFigures],
) -> None:
    assert all(each.both.recall >= each.public.recall for each in figures.values())
    assert figures["mp3_96k"].public.recall == 1.0
    assert figures["excerpt30s"].public.recall == 0.0


def test_the_places_of_clean_excerpts_are_within_half_a_second(
    figures: Mapping[str, KindFigures],
) -> None:
    summaries = [figures[kind].both for kind in CLEAN]
    places = sum(each.places for each in summaries)
    assert places >= 170
    assert sum((each.near or 0.0) * each.places for each in summaries) / places >= 0.95


def test_recordings_that_are_not_in_the_catalogue_are_not_found(
    catalogue: Catalogue, recordings: list[Recording]
) -> None:
    chosen = [replace(each, variants=each.variants[:6]) for each in recordings]
    halves = [Half(half) for half in split(chosen, seed=1)]
    before = catalogue.sizes().documents
    kinds, pieces = measure_false_matches(catalogue, halves, 300, seed=1)
    assert (pieces.recordings, pieces.pieces, pieces.matches) == (36, 300, 0)
    assert {kind: each.both for kind, each in kinds.items() if each.both} == {}
    assert sum(each.queries for each in kinds.values()) == 36 * 6
    assert catalogue.sizes().documents == before
    (query,) = [query_of(each) for each in recordings[0].variants if each.kind == "excerpt30s"]
    assert ask_excerpts(catalogue, [query])[0].numbers[0] == 1  # is inserted again


def copy_some(folder: Path, count: int) -> None:
    """Copy the first bundled recordings."""
    for name in (FINGERPRINTS, ROUGH):
        lines = gzip.decompress(BUNDLED.joinpath(name).read_bytes()).splitlines(keepends=True)
        folder.joinpath(name).write_bytes(gzip.compress(b"".join(lines[:count])))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(evaluate_command, arguments)


def test_the_command_measures_without_and_with_distractors(tmp_path: Path) -> None:
    copy_some(tmp_path, 6)
    report = tmp_path / "report.json"
    done = run(
        *("--data", str(tmp_path), "--kinds", "excerpt15s,mic,mp3_96k", "--json", str(report)),
        *("--distractors", "30", "--pieces", "21", "--sketch-rate", "2"),
    )
    assert done.exit_code == 0, done.output
    assert "| `excerpt15s` | 6 | 0.000 | 1.000 | 1.000 | 0 | 6 |" in done.stdout
    assert "36 fingerprints: recall by kind" in done.stderr
    found = json.loads(report.read_bytes())
    assert (found["recordings"], found["rate"], found["distractors"]) == (6, 2, 30)
    assert [each["sizes"]["documents"] for each in found["catalogues"]] == [6, 36]
    for each in found["catalogues"]:
        assert list(each["kinds"]) == ["excerpt15s", "mic", "mp3_96k"]
        assert list(each["lengths"]) == ["mp3_96k", "mic"]
        assert (each["pieces"]["pieces"], each["pieces"]["matches"]) == (21, 0)
        curve = list(each["pieces"]["curve"].values())
        assert curve == sorted(curve)
        assert curve[-1] == 1.0  # below 100 expected matches, if the catalogue has 36
        assert each["costs"]["mic"]["alone_ms"] > 0


@pytest.mark.parametrize(
    ("count", "arguments", "problem"),
    [
        (1, (), "has one recording; the measurement of false matches needs two"),
        (2, ("--kinds", "mic,other"), "has no variants of the kind other"),
    ],
)
def test_unsuitable_data_is_refused(
    tmp_path: Path, count: int, arguments: tuple[str, ...], problem: str
) -> None:
    copy_some(tmp_path, count)
    done = run("--data", str(tmp_path), *arguments)
    assert done.exit_code == 1
    assert problem in done.output


def test_without_a_checkout_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed wheel has no documents beside its packages."""
    monkeypatch.setattr("bench.identification.command.DOCS", tmp_path)
    done = run("--write")
    assert done.exit_code == 1
    assert "--write needs a checkout" in done.output
