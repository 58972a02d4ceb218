"""Judge the outcome of a probe: the state of a check, and the line for the operator."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from api.health.probe_runner import Outcome
from pipeline.catalog.schema_version import SchemaVersion
from pipeline.lookups.condition import INDEX_ADVICE, STORE_ADVICE, Advice, Condition
from tasks.queues import LOOKUP, TaskQueue, queues_by_worker
from tasks.redis_state.heartbeats import ALIVE_SECONDS, Processes

MAX_CLOCK_DIFFERENCE: Final = 5.0
"""Maximum difference of two clocks in seconds."""


class State(StrEnum):
    """The state of a check."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """Another check has failed, or no worker has reported a condition yet."""


class Judgement(NamedTuple):
    """The state of a check, and the line with the fault and the action; empty without a fault."""

    state: State
    line: str = ""


Judge = Callable[[Outcome], Judgement]

PASSED: Final = Judgement(State.OK)
NOT_KNOWN: Final = Judgement(State.UNKNOWN)

WORST_FIRST: Final = (
    Condition.FOREIGN,
    Condition.DAMAGED,
    Condition.MISSING,
    Condition.UNREACHABLE,
    Condition.FILLING,
)
"""The conditions that are faults, the worst one first."""


def succeeded(line: str) -> Judge:
    """Return a judge: the check fails if its probe did."""
    return lambda outcome: Judgement(State.FAILED, line) if outcome.failed else PASSED


def fits(name: str, line: str, *, accepts_newer: bool = False) -> Judge:
    """Return a judge of a database: the check also fails if the schema has another version.

    Args:
        name: the database.
        line: the line of a failed probe.
        accepts_newer: whether the schema may be newer. The table of the same database has a check
            of writes that reports it and stops no lookups.
    """

    def judge(outcome: Outcome) -> Judgement:
        if outcome.failed:
            return Judgement(State.FAILED, line)
        version = outcome.value
        if not isinstance(version, SchemaVersion):
            return PASSED
        if accepts_newer and version is SchemaVersion.NEWER:
            return PASSED
        problem = version.problem(name)
        return Judgement(State.FAILED, problem) if problem else PASSED

    return judge


def _of_processes(judge: Callable[[Processes], Judgement]) -> Judge:
    """Return a judge of workers and beat, whose state is not known while Redis is unreachable."""

    def judge_outcome(outcome: Outcome) -> Judgement:
        return judge(outcome.value) if isinstance(outcome.value, Processes) else NOT_KNOWN

    return judge_outcome


@_of_processes
def any_worker(found: Processes) -> Judgement:
    """Fail without a worker, and if a worker reports no queues."""
    if found.unreported:
        line = "a worker of an older version does not report its queues: restart the workers"
        return Judgement(State.FAILED, line)
    if not found.reports:
        line = f"no worker has sent a heartbeat for {ALIVE_SECONDS:g} s: start the workers"
        return Judgement(State.FAILED, line)
    return PASSED


def worker_of(queue: TaskQueue) -> Judge:
    """Return a judge that fails if no living worker serves a queue."""
    served = ",".join(queues_by_worker()[queue.worker])
    line = (
        f"no worker of the queue {queue.name} has sent a heartbeat for {ALIVE_SECONDS:g} s: "
        f"start one with `-Q {served}`, or check whether it waits for a database"
    )

    @_of_processes
    def judge(found: Processes) -> Judgement:
        if any(queue.name in report.queues for report in found.reports):
            return PASSED
        return NOT_KNOWN if found.unreported else Judgement(State.FAILED, line)

    return judge


@_of_processes
def index(found: Processes) -> Judgement:
    """Fail if a worker reports a fault of its index, or cannot update it; name the worst fault."""
    judgement = _worst([report.index for report in found.reports], INDEX_ADVICE)
    if judgement.state is not State.FAILED and any(each.unknown_files for each in found.reports):
        line = (
            "the index or the fingerprint store is not updated, because its folder has files with "
            "unknown names: `acoustid index verify` and `acoustid store check` name them"
        )
        return Judgement(State.FAILED, line)
    return judgement


@_of_processes
def store(found: Processes) -> Judgement:
    """Fail if a worker reports a fault of its fingerprint store; the line names the worst."""
    return _worst([report.store for report in found.reports], STORE_ADVICE)


@_of_processes
def search(found: Processes) -> Judgement:
    """Fail if every lookup worker reports a fault of its index, which the line of `index` names."""
    conditions = [report.index for report in found.reports if LOOKUP in report.queues]
    if Condition.OK in conditions:
        return PASSED
    if not conditions or None in conditions or found.unreported:
        return NOT_KNOWN
    return Judgement(State.FAILED)


@_of_processes
def beat(found: Processes) -> Judgement:
    """Fail if beat publishes no tasks."""
    line = f"beat has published no task for {ALIVE_SECONDS:g} s: start one beat process"
    return PASSED if found.beat else Judgement(State.FAILED, line)


@_of_processes
def clocks(found: Processes) -> Judgement:
    """Fail if the clock of this process differs from that of Redis or of a worker."""
    line = (
        f"the clocks of the hosts differ by over {MAX_CLOCK_DIFFERENCE:g} s: synchronize the hosts "
        "of the front ends, the workers and Redis with NTP"
    )
    differ = found.clock_difference > MAX_CLOCK_DIFFERENCE
    return Judgement(State.FAILED, line) if differ else PASSED


def maintenance(outcome: Outcome) -> Judgement:
    """Fail during maintenance, and if the mode cannot be read."""
    if outcome.failed:
        line = "the maintenance mode cannot be read: run `acoustid migrate`"
        return Judgement(State.FAILED, line)
    line = "submissions are refused: end the maintenance with `acoustid maintenance off`"
    return PASSED if outcome.value is None else Judgement(State.FAILED, line)


def _worst(conditions: Iterable[Condition | None], advice: Mapping[Condition, Advice]) -> Judgement:
    known = [condition for condition in conditions if condition is not None]
    if not known:
        return NOT_KNOWN
    for condition in WORST_FIRST:
        if affected := known.count(condition):
            line = f"{affected} of {len(known)} workers: {advice[condition]}"
            return Judgement(State.FAILED, line)
    return PASSED
