"""The condition of index and store in the reports of workers."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.lookups.condition import Condition
from pipeline.settings.sections import Settings
from tasks import queues
from tasks.redis_state.heartbeats import WorkerReport
from tasks.signals.worker_report import Periodically, ReportSource
from tests.support.polling import eventually


def copy(condition: Condition) -> Any:
    return SimpleNamespace(
        condition=lambda: condition,
        last_condition=lambda: condition,
        needs_check=lambda: False,
        position=lambda: 7,
    )


@pytest.mark.parametrize(
    ("served", "index", "store"),
    [
        (["lookup", "background"], Condition.FILLING, Condition.OK),
        (["background"], Condition.FILLING, Condition.OK),
        (["submission"], Condition.FILLING, None),
        (["index", "maintenance"], None, None),
        (queues.NAMES, Condition.FILLING, Condition.OK),
    ],
)
def test_a_worker_reports_the_copies_that_its_tasks_read(
    served: list[str], index: Condition | None, store: Condition | None
) -> None:
    resources: Any = SimpleNamespace(
        index=copy(Condition.FILLING), store=copy(Condition.OK), settings=Settings()
    )
    report = ReportSource(lambda: resources).report("node", served)
    assert report == WorkerReport(
        "node", tuple(served), index, store, store_position=None if store is None else 7
    )


def test_a_worker_that_updates_the_index_reports_files_with_unknown_names(tmp_path: Path) -> None:
    """Its task fails because of them, although searches succeed."""
    folder = tmp_path / "index"
    folder.mkdir()
    index = Settings().fingerprint_index.model_copy(update={"path": folder})
    settings = Settings().model_copy(update={"fingerprint_index": index})
    resources: Any = SimpleNamespace(index=copy(Condition.OK), store=None, settings=settings)
    assert ReportSource(lambda: resources).report("node", ["index"]).unknown_files == 0
    (folder / "x.segment").touch()
    assert ReportSource(lambda: resources).report("node", ["index"]).unknown_files == 1
    assert ReportSource(lambda: resources).report("node", ["lookup"]).unknown_files == 0


def test_a_disabled_store_has_no_condition() -> None:
    resources: Any = SimpleNamespace(index=copy(Condition.OK), store=None)
    report = ReportSource(lambda: resources).report("node", ["lookup"])
    assert report == WorkerReport("node", ("lookup",), Condition.OK, None, 7, None)


def test_a_check_that_hangs_delays_no_later_report() -> None:
    released, conditions = threading.Event(), iter(Condition)
    held = False

    def check() -> Condition:
        if held:
            assert released.wait(30)
        return next(conditions)

    latest = Periodically(check, every=0.0).latest
    assert latest() is Condition.OK
    held = True
    begun = time.monotonic()
    for _ in range(5):
        assert latest() is Condition.OK
    assert time.monotonic() - begun < 0.5
    held = False
    released.set()
    assert eventually(lambda: latest() is Condition.FOREIGN, 5)


def test_a_check_that_fails_keeps_the_last_result() -> None:
    results = iter([Condition.OK])  # the second check raises StopIteration
    latest = Periodically(lambda: next(results), every=0.0, first_wait=5).latest
    for _ in range(3):
        assert latest() is Condition.OK


def test_checks_run_at_intervals() -> None:
    runs: list[int] = []

    def check() -> Condition:
        runs.append(1)
        return Condition.OK

    source = Periodically(check, every=60.0)
    for _ in range(5):
        source.latest()
    assert runs == [1]


def test_an_urgent_check_runs_before_its_time() -> None:
    urgent, results = [False], iter(Condition)
    source = Periodically(
        lambda: next(results), every=60.0, first_wait=5, is_urgent=lambda: urgent[0]
    )
    assert source.latest() is source.latest() is Condition.OK
    urgent[0] = True
    assert eventually(lambda: source.latest() is not Condition.OK, 5)


def test_a_fault_that_a_search_finds_is_reported_at_once() -> None:
    """Also while a check hangs."""
    released = threading.Event()
    index: Any = SimpleNamespace(
        condition=lambda: released.wait(30) and Condition.MISSING,
        last_condition=lambda: Condition.DAMAGED,
        needs_check=lambda: False,
    )
    resources: Any = SimpleNamespace(index=index, store=None)
    assert ReportSource(lambda: resources).report("node", ["lookup"]).index is Condition.DAMAGED
    released.set()
