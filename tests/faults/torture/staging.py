"""Load on a running service, and the checks that its API permits."""

import time
from collections.abc import Callable
from typing import Final

from tests.faults.torture import records
from tests.faults.torture.load import Load, Target
from tests.faults.torture.model import BAD, NEAR, Model
from tests.faults.torture.records import Record, failures
from tests.faults.torture.report import RunReport

FINAL_WITHIN: Final = 60.0
INDEXED_WITHIN: Final = 15.0
DEFAULT_SECONDS: Final = 60.0


def run(target: Target, report: RunReport, seconds: float, tell: Callable[[str], None]) -> None:
    """Send load for some seconds, wait for final states, and look up each submission.

    Faults are the operator's part. Requests that get no reply are reported, too.

    Args:
        target: the service.
        report: receives the outcome.
        seconds: the duration, 0 for a minute.
        tell: called with a line for each step.
    """
    if not (target.client and target.user):
        report.problems.append("--url needs --client and --user: see `acoustid keys create`")
        return
    load = Load(target, Model(report.seed), report.seed)
    with load.running():
        time.sleep(seconds or DEFAULT_SECONDS)
    tell(f"{len(load.model.accepted)} submissions accepted: waiting for their final states")
    load.wait_for_final(FINAL_WITHIN)
    report.problems += [
        f"{record.kind}: {reason} after {record.seconds:.1f} s: {record.detail}"
        for reason, record in failures(load.records.all, [])
    ]
    time.sleep(INDEXED_WITHIN)
    report.differences[0] = reconcile_states(load) + reconcile_lookups(load)
    report.counts = {
        **load.records.outcomes(),
        "accepted submissions": len(load.model.accepted),
    }


def reconcile_states(load: Load) -> list[str]:
    """Return the submissions that have no final state, or a wrong one."""
    found = []
    for submission_id, serial in sorted(load.model.accepted.items()):
        expected = "rejected" if load.model.sent[serial].kind == BAD else "imported"
        state = load.model.final.get(submission_id, "pending")
        if state != expected:
            found.append(f"submission {submission_id} is {state}, not {expected}")
    return found


def reconcile_lookups(load: Load) -> list[str]:
    """Look up each recording that was imported; return those that are not found rightly."""
    found = []
    imported = {
        load.model.sent[serial].recording
        for submission_id, serial in load.model.accepted.items()
        if load.model.final.get(submission_id) == "imported"
        and load.model.sent[serial].kind == NEAR
    }
    for number in sorted(imported):
        record = load.look_up(load.model.recordings[number], copy=0)
        if record.outcome != records.RIGHT:
            found.append(f"lookup of recording {number}: {_describe(record)}")
    return found


def _describe(record: Record) -> str:
    return f"{record.outcome}, {record.detail}"
