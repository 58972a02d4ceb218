"""Tests of the refused lines of an import."""

import json
from pathlib import Path

import pytest

from pipeline.bulk_import.rejects import MAX_CONTENT, BadLine, BadLineError, Rejects

BAD = BadLine("tracks.csv", 7, "duration is missing", b"AQAA,,\xff")


def test_stops_at_a_refused_line_and_names_it(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "rejects"
    with Rejects("stop", path, told.append) as rejects, pytest.raises(BadLineError) as caught:
        rejects.add(BAD)
    assert str(caught.value) == "tracks.csv:7: duration is missing"
    assert told == []
    assert json.loads(path.read_text())["line"] == 7


def test_skips_counts_and_tells_refused_lines() -> None:
    told: list[str] = []
    with Rejects("skip", None, told.append) as rejects:
        rejects.add(BAD)
        rejects.add(BadLine("a.flac", 0, "its tags have neither an MBID nor a title"))
        rejects.flush()
    assert rejects.count == 2
    assert told == [
        "tracks.csv:7: duration is missing",
        "a.flac: its tags have neither an MBID nor a title",
    ]


def test_writes_refused_lines_with_their_start_and_keeps_those_of_earlier_runs(
    tmp_path: Path,
) -> None:
    path = tmp_path / "rejects"
    for line in (BAD, BadLine("b.csv", 1, "too long", b"x" * (MAX_CONTENT + 1))):
        with Rejects("skip", path, lambda _: None) as rejects:
            rejects.add(line)
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first == {
        "file": "tracks.csv",
        "line": 7,
        "reason": "duration is missing",
        "content": "AQAA,,\\xff",
    }
    assert len(second["content"]) == MAX_CONTENT
