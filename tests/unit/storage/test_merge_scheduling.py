"""Merges beside commits and beside each other: nothing is lost, and none waits for another."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.index import Insert, open_reader, open_writer
from pipeline.index import writer as index_writer
from pipeline.index.index_manifest import INDEX_FORMAT
from pipeline.index.merging.merge_policy import BLOCKING_SEGMENTS, BUSY_SEGMENTS, IDLE_SEGMENTS
from pipeline.storage.merge_scheduling import replaced
from pipeline.storage.snapshot import load_snapshot
from tests.unit.index.model import contents, terms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TIMEOUT = 30.0  # seconds; the wait takes milliseconds


class Gate:
    """Stops the first merge once it is written, until it may be committed."""

    def __init__(self, merged: Callable[..., Any]) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()
        self.in_time = False
        self.others = 0
        self._is_first = True
        self._merged = merged

    def __call__(self, *args: Any) -> Any:
        first, self._is_first = self._is_first, False
        result = self._merged(*args)
        if first:
            self.reached.set()
            self.in_time = self.opened.wait(TIMEOUT)
        else:
            self.others += 1
        return result


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """What the first merge of the test waits at."""
    gate = Gate(index_writer.merge_run)

    def merged(*args: Any) -> Any:
        return gate(*args)

    monkeypatch.setattr(index_writer, "merge_run", merged)
    return gate


def test_small_merges_go_on_while_a_large_one_is_under_way(path: Path, gate: Gate) -> None:
    with open_writer(path) as writer, open_reader(path) as reader:
        for number in range(1, 100):
            writer.apply([Insert(number, terms(16, 16 * number))], number)
            assert reader.stats().segments <= BLOCKING_SEGMENTS
            if number > BUSY_SEGMENTS:
                assert gate.reached.wait(TIMEOUT)
        assert gate.others
        gate.opened.set()
        writer.finish_merges()
        assert gate.in_time
    assert contents(path) == {n: frozenset({16, 16 * n}) for n in range(1, 100)}


def test_a_rebuild_has_the_last_word(path: Path, gate: Gate) -> None:
    with open_writer(path) as writer, open_reader(path) as reader:
        for number in range(1, BUSY_SEGMENTS + 2):
            writer.apply([Insert(number, terms(16))], number)
        assert gate.reached.wait(TIMEOUT)
        writer.rebuild([[Insert(100, terms(32))]], 200)
        gate.opened.set()
        writer.finish_merges()
        assert len(list(path.glob("*.segment"))) == reader.stats().segments == 1
        assert gate.in_time
    assert contents(path) == {100: frozenset({32})}


def test_a_failed_merge_leaves_its_segments_to_the_next(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    merged = index_writer.merge_run
    failures = iter([OSError(28, "No space left on device")])

    def failing_once(*args: Any) -> Any:
        for failure in failures:
            raise failure
        return merged(*args)

    monkeypatch.setattr(index_writer, "merge_run", failing_once)
    with open_writer(path) as writer, open_reader(path) as reader:
        for number in range(1, 30):
            writer.apply([Insert(number, terms(16))], number)
        writer.finish_merges()
        assert reader.stats().segments <= IDLE_SEGMENTS
    assert len(contents(path)) == 29


def test_a_merge_of_segments_that_are_no_longer_all_there_replaces_nothing(path: Path) -> None:
    with open_writer(path, merge_in_background=False) as writer:
        for number in range(1, 7):
            writer.apply([Insert(number, terms(16))], number)
    snapshot = load_snapshot(INDEX_FORMAT, path)
    snapshot.close()
    segments = snapshot.segments
    one, *others = segments.segments
    newer = replaced(segments, (others[1], others[2]), others[2])
    assert replaced(newer, (others[0], others[1], others[2]), one) is newer
    assert replaced(newer, (others[3], others[4]), None).segments == (one, others[0], others[2])
