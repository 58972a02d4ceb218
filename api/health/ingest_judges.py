"""Judge the processes that take submissions from NATS, and announce their final states."""

from typing import Final

from api.health.judges import NOT_KNOWN, PASSED, Judgement, State
from api.health.probe_runner import Outcome
from tasks.redis_state.heartbeats import ALIVE_SECONDS
from tasks.redis_state.ingest_reports import IngestProcesses, IngestReport

LATE_AFTER: Final = 60.0
"""Seconds for which an announcement may wait."""

NO_PROCESS: Final = (
    f"no process that takes submissions from NATS has sent a heartbeat for {ALIVE_SECONDS:g} s: "
    "start one with `acoustid ingest nats`, or leave [nats] servers empty"
)
DISCONNECTED: Final = (
    "no process is connected to NATS, so its messages wait: `acoustid status` gives the reason; "
    "check whether the servers in [nats] servers run, and the log-in in [nats]"
)
WRONG_SETUP: Final = (
    "JetStream is off, or the stream or the consumer of NATS does not fit, so its messages wait: "
    "correct what `acoustid status` names"
)


def ingest(outcome: Outcome) -> Judgement:
    """Fail without a process, without a connection, and while the stream or consumer is wrong."""
    found = outcome.value
    if not isinstance(found, IngestProcesses):
        return NOT_KNOWN
    if not found.reports:
        return NOT_KNOWN if found.is_early else Judgement(State.FAILED, NO_PROCESS)
    if any(each.setup_problem for each in found.reports):
        return Judgement(State.FAILED, WRONG_SETUP)
    connected = sum(each.connected for each in found.reports)
    if not connected:
        return Judgement(State.FAILED, DISCONNECTED)
    if connected < len(found.reports):
        line = (
            f"{len(found.reports) - connected} of {len(found.reports)} processes are not connected "
            "to NATS: `acoustid status` gives the reason"
        )
        return Judgement(State.FAILED, line)
    return PASSED


def announcements(outcome: Outcome) -> Judgement:
    """Fail if an announcement of a final state has waited for over `LATE_AFTER`."""
    found = outcome.value
    if not isinstance(found, IngestProcesses):
        return NOT_KNOWN
    waits = [each for each in found.reports if each.oldest_announcement is not None]
    if not waits:
        known = any(each.announcements is not None for each in found.reports)
        return PASSED if known else NOT_KNOWN
    latest = max(waits, key=_waiting)
    if _waiting(latest) <= LATE_AFTER:
        return PASSED
    line = (
        f"{latest.announcements} announcements of final states wait for NATS, the oldest for "
        f"{_waiting(latest):.0f} s: check the stream of [nats] publish_subject; `acoustid status` "
        "gives the reason"
    )
    return Judgement(State.FAILED, line)


def _waiting(report: IngestReport) -> float:
    return report.oldest_announcement or 0.0
