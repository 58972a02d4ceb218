"""Judge the outcome of a probe: the state of a check, and the line for the operator."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from api.health.probe_runner import Outcome
from api.health.queue_progress import STUCK_AFTER, StuckQueue
from api.health.redis_writes import RedisWrites, Refused, Warned
from pipeline.catalog.schema_version import SchemaVersion
from pipeline.lookups.condition import INDEX_ADVICE, SKETCH_ADVICE, STORE_ADVICE, Advice, Condition
from tasks.clocks.shared_clock import MAX_DIFFERENCE
from tasks.queues import INDEX, LOOKUP, TaskQueue, queues_by_worker
from tasks.redis_state.heartbeats import ALIVE_SECONDS, Processes

LOW_SPACE: Final = 64 * 2**20
"""Bytes of free space below which the disk of the index or another copy is nearly full."""

STANDS_STILL: Final = 60.0
"""Seconds of lag that are a fault of the index also if ``[cluster] max_lag`` permits them."""


class State(StrEnum):
    """The state of a check."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """Another check has failed, or no worker has reported a condition yet."""


class Judgement(NamedTuple):
    """The outcome of a check.

    Attributes:
        state: the state of the check.
        line: the fault and the action; empty without a fault.
        part_of: the name of a check. If it fails too, the line of this one is left out.
    """

    state: State
    line: str = ""
    part_of: str = ""


Judge = Callable[[Outcome], Judgement]

PASSED: Final = Judgement(State.OK)
NOT_KNOWN: Final = Judgement(State.UNKNOWN)

WORST_FIRST: Final = (
    Condition.FOREIGN,
    Condition.DAMAGED,
    Condition.UNREADABLE,
    Condition.MISSING,
    Condition.UNREACHABLE,
    Condition.FILLING,
    Condition.LAGGING,
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
    served = ",".join(queues_by_worker(excerpt_queue=True)[queue.worker])
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
    if line := _refilled_later(found, "the index"):
        return Judgement(State.FAILED, line)
    judgement = _worst([report.index for report in found.reports], INDEX_ADVICE)
    if judgement.state is not State.FAILED and any(each.unknown_files for each in found.reports):
        line = (
            "the index, the fingerprint store or the sketch index is not updated, because its "
            "folder has files with unknown names: `acoustid index verify`, `acoustid store check` "
            "and `acoustid index verify --sketch` name them"
        )
        return Judgement(State.FAILED, line)
    lag = max((report.index_lag or 0.0 for report in found.reports), default=0.0)
    if judgement.state is State.OK and lag > STANDS_STILL:
        line = (
            f"the index was not current for {lag:.0f} s: check the log and the disk of the worker "
            "of the queue index"
        )
        return Judgement(State.FAILED, line)
    return judgement


@_of_processes
def disk(found: Processes) -> Judgement:
    """Fail if a worker cannot write the index or another copy, or soon cannot."""
    writers = [report for report in found.reports if INDEX in report.queues]
    # A folder that is filled after a pause has a line of its own.
    if any(report.write_problem and not report.refilled_later for report in writers):
        line = (
            "a worker of the queue index cannot write the index, the fingerprint store or the "
            "sketch index: free some space on its disk, or correct what `acoustid status` names"
        )
        return Judgement(State.FAILED, line)
    free = [report.free_bytes for report in writers if report.free_bytes is not None]
    if not free:
        return PASSED if writers else NOT_KNOWN
    if not min(free):
        line = (
            "the disk of the index or the fingerprint store is full or read-only: free some space"
        )
        return Judgement(State.FAILED, line)
    if min(free) < LOW_SPACE:
        line = (
            f"the disk of the index or the fingerprint store has {min(free) // 2**20} MiB left: "
            "free some space"
        )
        return Judgement(State.FAILED, line)
    return PASSED


@_of_processes
def store(found: Processes) -> Judgement:
    """Fail if a worker reports a fault of its fingerprint store; the line names the worst."""
    if line := _refilled_later(found, "the fingerprint store"):
        return Judgement(State.FAILED, line)
    return _worst([report.store for report in found.reports], STORE_ADVICE)


@_of_processes
def sketch(found: Processes) -> Judgement:
    """Fail if a worker reports a fault of its sketch index; the line names the worst."""
    if line := _refilled_later(found, "the sketch index"):
        return Judgement(State.FAILED, line)
    return _worst([report.sketch for report in found.reports], SKETCH_ADVICE)


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
    """Fail if beat publishes no tasks; not known in the first seconds of this process."""
    line = f"beat has published no task for {ALIVE_SECONDS:g} s: start one beat process"
    if found.beat:
        return PASSED
    return NOT_KNOWN if found.is_early else Judgement(State.FAILED, line)


@_of_processes
def clocks(found: Processes) -> Judgement:
    """Fail if a clock differs from that of Redis; the line gives the differences."""
    wrong = [
        f"{name} {difference:+.1f} s"
        for name, difference in (
            ("this front end", found.own_clock),
            *(("a worker", report.clock_difference) for report in found.reports),
            ("beat", found.beat_clock),
            *((f"PostgreSQL ({name})", each) for name, each in found.postgres_clocks.items()),
        )
        if difference is not None and abs(difference) > MAX_DIFFERENCE
    ]
    line = (
        f"clocks differ from that of Redis by over {MAX_DIFFERENCE:g} s: {', '.join(wrong)}: "
        "synchronize all hosts with NTP; `acoustid status` names the workers"
    )
    return Judgement(State.FAILED, line) if wrong else PASSED


REFUSED: Final[Mapping[Refused, str]] = {
    Refused.MEMORY: "its memory is full: raise `maxmemory`, or find what fills it with "
    "`acoustid status` and INFO memory",
    Refused.DISK: "it cannot write its files: free some space on its disk, and see its log",
    Refused.STANDBY: "it is a replica: set [redis] host to the master",
    Refused.OTHER: "see its log, and the permissions of its user",
}
"""The reasons for which Redis refuses writes, with the action."""


WARNINGS: Final[Mapping[Warned, str]] = {
    Warned.MEMORY: "the memory of Redis is nearly full: raise `maxmemory`",
    Warned.DISK: "Redis could not write or rewrite its files: check its log and disk space",
    Warned.EVICTS: "Redis deletes messages when its memory is full: set `maxmemory-policy` to "
    "`noeviction`",
}
"""The warnings about Redis, with the action."""


def redis_write(outcome: Outcome) -> Judgement:
    """Fail if Redis refuses writes."""
    if not isinstance(outcome.value, RedisWrites):
        return NOT_KNOWN
    reason = outcome.value.refused
    if reason is None:
        return PASSED
    line = f"Redis refuses writes, so lookups fail and imports wait: {REFUSED[reason]}"
    return Judgement(State.FAILED, line)


def redis_space(outcome: Outcome) -> Judgement:
    """Fail if Redis will refuse writes soon, or may delete messages."""
    if not isinstance(outcome.value, RedisWrites):
        return NOT_KNOWN
    line = WARNINGS.get(outcome.value.warning) if outcome.value.warning else None
    return Judgement(State.FAILED, line) if line else PASSED


def stuck_queues(outcome: Outcome) -> Judgement:
    """Fail if no message of a queue was taken for a while."""
    if outcome.failed or not isinstance(outcome.value, list):
        return NOT_KNOWN
    stuck: list[StuckQueue] = outcome.value
    if not stuck:
        return PASSED
    named = ", ".join(f"{each.name} ({each.messages} messages)" for each in stuck)
    line = (
        f"no message was taken from these queues for {STUCK_AFTER:g} s: {named}: check the log of "
        "their workers, and restart them if they hang"
    )
    return Judgement(State.FAILED, line)


def maintenance(outcome: Outcome) -> Judgement:
    """Fail during maintenance, and if the mode cannot be read."""
    if outcome.failed:
        line = "the maintenance mode cannot be read: run `acoustid migrate`"
        return Judgement(State.FAILED, line)
    line = "submissions are refused: end the maintenance with `acoustid maintenance off`"
    return PASSED if outcome.value is None else Judgement(State.FAILED, line)


def _refilled_later(found: Processes, noun: str) -> str:
    """Return the line of a copy that is filled after a pause; an empty text if there is none."""
    lines = (report.refilled_later for report in found.reports)
    return next((line for line in lines if line.startswith(noun)), "")


def _worst(conditions: Iterable[Condition | None], advice: Mapping[Condition, Advice]) -> Judgement:
    known = [condition for condition in conditions if condition is not None]
    if not known:
        return NOT_KNOWN
    for condition in WORST_FIRST:
        if affected := known.count(condition):
            line = f"{affected} of {len(known)} workers: {advice[condition]}"
            # Without an index worker, each copy falls behind.
            cause = f"worker_{INDEX}" if condition is Condition.LAGGING else ""
            return Judgement(State.FAILED, line, cause)
    return PASSED
