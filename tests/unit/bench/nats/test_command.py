"""The messages of ``bench nats``, and the order of its measurements."""

import json
from typing import Any

import pytest

from bench.nats.command import encode_messages, measure_in_turns
from bench.submit.import_run import ImportRun
from bench.submit.submissions import SyntheticSubmission

SENT = [SyntheticSubmission({"duration": str(number)}, -1) for number in range(1, 6)]


def test_a_message_is_one_submission_or_a_list() -> None:
    single = [json.loads(body) for body in encode_messages(SENT, per_message=1)]
    lists = [json.loads(body) for body in encode_messages(SENT, per_message=2)]
    assert single == [each.form for each in SENT]
    assert [len(each) for each in lists] == [2, 2, 1]
    assert [each for found in lists for each in found] == single


class Run:
    """A way in with given rates."""

    submissions = 5

    def __init__(self, name: str, rates: list[float], calls: list[str]) -> None:
        self._name = name
        self._rates = iter(rates)
        self._calls = calls

    def measure(self) -> dict[str, Any]:
        """Return the next rate."""
        self._calls.append(self._name)
        return {"imported_per_second": next(self._rates)}


@pytest.fixture
def calls() -> list[str]:
    return []


def runs(calls: list[str], **rates: list[float]) -> dict[str, ImportRun]:
    return {name: Run(name, found, calls) for name, found in rates.items()}  # type: ignore[misc]


def test_both_ways_in_are_measured_in_turns(calls: list[str]) -> None:
    figures = measure_in_turns(runs(calls, nats=[50, 90, 30], http=[100, 100, 50]), rounds=3)
    assert calls == ["nats", "http", "http", "nats", "nats", "http"]
    assert figures["ratio"] == 0.6
    assert figures["median_imported_per_second"] == {"nats": 50, "http": 100}
    assert [each["imported_per_second"] for each in figures["nats"]] == [50, 90, 30]


def test_without_a_comparison_there_is_no_ratio(calls: list[str]) -> None:
    figures = measure_in_turns(runs(calls, nats=[50]), rounds=1)
    assert figures.keys() == {"median_imported_per_second", "nats"}
