"""The condition of index and store in the reports of workers."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from pipeline.index import IndexStats, open_writer
from pipeline.lookups.condition import Condition
from pipeline.lookups.trusted_sketch import SketchUnusable, UsableSketch
from pipeline.settings.sections import Settings
from tasks import queues
from tasks.redis_state.heartbeats import WorkerReport
from tasks.signals.worker_report import ReportSource

if TYPE_CHECKING:
    from pipeline.lookups.trusted_index import TrustedIndex


def copy(condition: Condition) -> Any:
    return SimpleNamespace(
        condition=lambda: condition,
        last_condition=lambda: condition,
        needs_check=lambda: False,
        position=lambda: 7,
        damage=lambda: "",
        lag=lambda: 0.5,
    )


class NoProblem:
    """Redis without a problem of the worker."""

    def get(self, _key: str) -> None:
        """Return nothing."""


@pytest.mark.parametrize(
    ("served", "index", "store"),
    [
        (["lookup", "background"], Condition.FILLING, Condition.OK),
        (["background"], Condition.FILLING, Condition.OK),
        (["excerpt"], None, Condition.OK),
        (["submission"], Condition.FILLING, None),
        (["index", "maintenance"], None, None),
        (queues.NAMES, Condition.FILLING, Condition.OK),
    ],
)
def test_a_worker_reports_the_copies_that_its_tasks_read(
    served: list[str], index: Condition | None, store: Condition | None
) -> None:
    resources: Any = SimpleNamespace(
        index=copy(Condition.FILLING),
        store=copy(Condition.OK),
        sketch=None,
        settings=Settings(),
        redis=NoProblem(),
    )
    report = ReportSource(lambda: resources).report("node", served)
    assert replace(report, free_bytes=None) == WorkerReport(
        "node",
        tuple(served),
        index,
        store,
        store_position=None if store is None else 7,
        index_lag=None if index is None else 0.5,
    )
    assert (report.free_bytes is not None) == (queues.INDEX in served)


def test_a_worker_that_updates_the_index_reports_files_with_unknown_names(tmp_path: Path) -> None:
    """Its task fails because of them, although searches succeed."""
    folder = tmp_path / "index"
    folder.mkdir()
    index = Settings().fingerprint_index.model_copy(update={"path": folder})
    settings = Settings().model_copy(update={"fingerprint_index": index})
    resources: Any = SimpleNamespace(
        index=copy(Condition.OK), store=None, sketch=None, settings=settings, redis=NoProblem()
    )
    assert ReportSource(lambda: resources).report("node", ["index"]).unknown_files == 0
    (folder / "x.segment").touch()
    assert ReportSource(lambda: resources).report("node", ["index"]).unknown_files == 1
    assert ReportSource(lambda: resources).report("node", ["lookup"]).unknown_files == 0


def test_a_folder_that_is_filled_after_a_pause_has_a_line(tmp_path: Path) -> None:
    """The advice for a full disk or an index that is being filled would be wrong."""
    folder = tmp_path / "index"
    open_writer(folder).close()
    for number in range(4):
        (folder / time.strftime(f"damaged-%Y%m%dT%H%M%SZ-{number + 2}", time.gmtime())).mkdir()
    index = Settings().fingerprint_index.model_copy(update={"path": folder})
    settings = Settings().model_copy(update={"fingerprint_index": index})
    resources: Any = SimpleNamespace(
        index=copy(Condition.FILLING), store=None, sketch=None, settings=settings, redis=NoProblem()
    )
    report = ReportSource(lambda: resources).report("node", ["index"])
    assert report.refilled_later == (
        "the index was damaged 4 times and is filled again in 5 min: check disk and memory, or "
        "run `acoustid index rebuild`"
    )
    with open_writer(folder) as writer:
        writer.apply([], 5)
    assert ReportSource(lambda: resources).report("node", ["index"]).refilled_later == ""


def test_a_disabled_store_has_no_condition() -> None:
    resources: Any = SimpleNamespace(index=copy(Condition.OK), store=None, sketch=None)
    report = ReportSource(lambda: resources).report("node", ["lookup"])
    assert report == WorkerReport("node", ("lookup",), Condition.OK, None, 7, None, index_lag=0.5)


def test_the_sketch_index_that_searches_use_is_reported() -> None:
    used = UsableSketch(
        cast("TrustedIndex", SimpleNamespace(stats=lambda: IndexStats(7, 5, 1, 300))), 4
    )
    sketch = SimpleNamespace(current=lambda: used)
    resources: Any = SimpleNamespace(index=copy(Condition.OK), store=None, sketch=sketch)
    report = ReportSource(lambda: resources).report("node", ["lookup"])
    assert (report.sketch, report.sketch_position) == (Condition.OK, 7)
    assert (report.sketch_rate, report.sketch_bytes) == (4, 300)

    def refuse() -> None:
        raise SketchUnusable(Condition.DAMAGED)

    sketch.current, sketch.damage = refuse, lambda: "/sketch/rate-4/1.segment: is cut"
    report = ReportSource(lambda: resources).report("node", ["background"])
    assert (report.sketch, report.sketch_rate) == (Condition.DAMAGED, None)
    assert report.sketch_damage == "/sketch/rate-4/1.segment: is cut"
    assert ReportSource(lambda: resources).report("node", ["submission"]).sketch is None


def test_a_fault_that_a_search_finds_is_reported_at_once() -> None:
    """Also while a check hangs."""
    released = threading.Event()
    index: Any = SimpleNamespace(
        condition=lambda: released.wait(30) and Condition.MISSING,
        last_condition=lambda: Condition.DAMAGED,
        needs_check=lambda: False,
        damage=lambda: "/index/1.segment: is missing",
        lag=lambda: None,
    )
    resources: Any = SimpleNamespace(index=index, store=None, sketch=None)
    report = ReportSource(lambda: resources).report("node", ["lookup"])
    assert report.index is Condition.DAMAGED
    assert report.index_damage == "/index/1.segment: is missing"
    released.set()
