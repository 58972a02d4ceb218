"""The table of health checks: its rules, and its copy in the runbook."""

from pathlib import Path

import pytest

from api.health.judges import WORST_FIRST
from api.health.table import CHECKS, Service
from pipeline.lookups.condition import INDEX_ADVICE, STORE_ADVICE, Condition

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
    assert set(WORST_FIRST) == set(INDEX_ADVICE) == set(STORE_ADVICE) == faults
