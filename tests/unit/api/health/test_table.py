"""The table of health checks: its rules, and its copy in the runbook."""

from pathlib import Path

import pytest

from api.health import judges
from api.health.grades import grade
from api.health.judges import WORST_FIRST, Judge
from api.health.probe_runner import Outcome
from api.health.table import CHECKS, Service
from pipeline.following.problems import refilled_later
from pipeline.lookups.condition import INDEX_ADVICE, SKETCH_ADVICE, STORE_ADVICE, Condition
from tasks.redis_state.heartbeats import Processes, WorkerReport

RUNBOOK = Path(__file__).parents[4] / "docs/runbook.md"


def documented() -> dict[str, tuple[set[str], bool]]:
    """Return the services that need each check of the runbook, and whether `/_health_ro` has it."""
    section = RUNBOOK.read_text().split("## Health checks", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return {
        name.strip(" `"): (set(filter(None, fails.strip().split(", "))), ro.strip() == "ro")
        for name, _, fails, ro, _ in (row for row in rows if len(row) == 5)
    }


def test_the_runbook_has_the_table() -> None:
    assert documented() == {
        check.name: ({service.value for service in check.needed_by}, check.in_read_only)
        for check in CHECKS
    }


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_that_lookups_need_is_in_read_only_health(check) -> None:
    assert check.in_read_only or Service.LOOKUPS not in check.needed_by


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_line_is_left_out_only_for_a_check_of_the_same_path(check) -> None:
    named = [each for each in CHECKS if each.name == check.part_of]
    assert bool(named) == bool(check.part_of)
    assert all(each.in_read_only or not check.in_read_only for each in named)


def test_every_condition_has_a_place_and_advice() -> None:
    faults = set(Condition) - {Condition.OK}
    assert set(WORST_FIRST) == set(INDEX_ADVICE) == faults
    assert set(STORE_ADVICE) == set(SKETCH_ADVICE) == faults


@pytest.mark.parametrize(
    ("noun", "judge"),
    [
        ("index", judges.index),
        ("fingerprint store", judges.store),
        ("sketch index", judges.sketch),
    ],
)
def test_a_pause_before_the_filling_has_one_line(noun: str, judge: Judge) -> None:
    """The lines of a full disk and of an index that is filled are left out."""
    line = refilled_later(noun, 300.0, 4)
    reports = (
        WorkerReport("lookup", ("lookup",), Condition.FILLING, Condition.FILLING),
        WorkerReport("index", ("index",), write_problem="index: damaged", refilled_later=line),
    )
    found = Outcome(Processes(reports, 0, beat=True, own_clock=0.0), failed=False, ended=0.0)
    assert judge(found).line == line
    assert judges.disk(found).line == ""


def test_copies_that_lag_without_an_index_worker_have_no_line() -> None:
    report = WorkerReport("lookup", ("lookup",), Condition.LAGGING, Condition.LAGGING)
    found = Outcome(Processes((report,), 0, beat=True, own_clock=0.0), failed=False, ended=0.0)
    chosen = [each for each in CHECKS if each.name in {"worker_index", "index", "store"}]
    health = grade(chosen, {"redis": found}, frozenset())
    assert [health.checks[each] for each in ("index", "store")] == ["failed", "failed"]
    (line,) = health.faults
    assert "no worker of the queue index" in line
