"""Faults on one stack, one after the other, each with the time until all is well again."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from pipeline.runtime.databases import Databases
from pipeline.settings.sketch_checks import EMBEDDED_RATE
from tests.faults.torture import records
from tests.faults.torture.faults import sequence
from tests.faults.torture.faults.kind import FaultKind
from tests.faults.torture.load import Load
from tests.faults.torture.reconcile import reconcile_databases
from tests.faults.torture.reconcile_files import reconcile_index, reconcile_sketch, reconcile_store
from tests.faults.torture.records import Window, failures
from tests.faults.torture.stack.torture_stack import TortureStack

LOOKUPS_WITHIN: Final = 15.0
FINAL_WITHIN: Final = 60.0
GIVE_UP: Final = 120.0
"""Seconds after which a stack that has not recovered is left to the next fault."""

STREAK: Final = 8
"""Number of right lookups in a row that show that lookups are right again."""

REFUSALS: Final = ("lookup", "submit", "status", "unknown lookup", "background lookup")
POLL: Final = 0.1


@dataclass(frozen=True, slots=True)
class FaultReport:
    """The outcome of a fault.

    Attributes:
        number: its number in the run of its stack.
        stack: the number of the stack.
        kind: its kind.
        text: its description.
        seconds: its duration.
        to_lookups: seconds from its end until lookups were right; None if they never were.
        to_final: seconds from its end until all submissions accepted before were final; None if
            they never were.
        refused: number of honest 503 replies from its begin until all was well.
        failures: what broke the promise.
    """

    number: int
    stack: int
    kind: str
    text: str
    seconds: float
    to_lookups: float | None
    to_final: float | None
    refused: int
    failures: list[str]


@dataclass
class Campaign:
    """Runs faults on a stack.

    Attributes:
        stack: the stack.
        load: the load, which runs.
        random: the source of all choices.
        tell: called with a line for each fault.
        number: the number of the stack.
        reports: the outcomes so far.
        windows: the faults so far.
        stop: is set to end the run after the current fault.
        is_patient: whether each fault waits until submissions are final, not only the last one.
    """

    stack: TortureStack
    load: Load
    random: Random
    tell: Callable[[str], None]
    number: int = 0
    reports: list[FaultReport] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    is_patient: bool = True
    _judged: int = 0

    def warm_up(self, recordings: int = 10) -> None:
        """Wait until lookups find the first recordings.

        Raises:
            AssertionError: they don't within two minutes.
        """
        deadline = time.monotonic() + GIVE_UP
        while len(self.load.model.findable(0)) < recordings or self._streak_since(0.0) is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"no right lookups: {dict(self.load.records.outcomes())}")
            time.sleep(POLL)

    def run(self, kinds: list[FaultKind], faults: int, deadline: float = float("inf")) -> None:
        """Run faults until their number or a time (monotonic) is reached."""
        for number, kind in enumerate(sequence(kinds, self.stack, self.random), 1):
            if number > faults or time.monotonic() > deadline or self.stop.is_set():
                break
            self.run_one(number, kind)
        if not self.is_patient and self.reports:
            to_final = self._wait_for_final(time.monotonic())
            late = _lateness("submissions final", to_final, FINAL_WITHIN)
            self.reports[-1].failures.extend(late)

    def run_one(self, number: int, kind: FaultKind) -> FaultReport:
        """Run a fault and wait until all is well again."""
        begun = time.monotonic()
        text, problems = kind.name, []
        try:
            with kind.inject(self.stack, self.random) as text:
                time.sleep(self.random.uniform(*kind.seconds))
        except Exception as error:  # noqa: BLE001 - the report names it, and the run goes on
            problems.append(f"the fault did not end: {type(error).__name__}: {error}")
        ended = time.monotonic()
        to_lookups = self._wait_for_lookups(ended)
        to_final = self._wait_for_final(ended) if self.is_patient else 0.0
        window = Window(
            kind.name,
            begun,
            ended + (to_lookups or 0.0),
            kind.breaks_connections,
            kind.stops_front_end,
            kind.hides_hits,
        )
        self.windows.append(window)
        problems += _lateness("lookups right", to_lookups, LOOKUPS_WITHIN)
        problems += _lateness("submissions final", to_final, FINAL_WITHIN)
        report = FaultReport(
            number,
            self.number,
            kind.name,
            text,
            ended - begun,
            to_lookups,
            to_final,
            self._refused_since(begun),
            problems + self._new_failures(),
        )
        self.reports.append(report)
        self.tell(_line(report))
        return report

    def _new_failures(self) -> list[str]:
        """Judge the requests that have ended since the last call."""
        recent = self.load.records.all[self._judged :]
        self._judged += len(recent)
        return [
            f"{record.kind}: {reason} after {record.seconds:.1f} s: {record.detail}"
            for reason, record in failures(recent, self.windows)
        ]

    def _refused_since(self, begun: float) -> int:
        found = [each for kind in REFUSALS for each in self.load.records.since(begun, kind)]
        return sum(each.outcome == records.REFUSED for each in found)

    def _wait_for_lookups(self, ended: float) -> float | None:
        while time.monotonic() < ended + GIVE_UP:
            right_since = self._streak_since(ended)
            if right_since is not None:
                return right_since - ended
            time.sleep(POLL)
        return None

    def _streak_since(self, begun: float) -> float | None:
        """Return when the lookups that are right again began; `begun` if none was not right."""
        since, streak = begun, 0
        for record in self.load.records.since(begun, "lookup"):
            is_right = record.outcome == records.RIGHT
            streak = streak + 1 if is_right else 0
            since = since if is_right else record.ended
        return since if streak >= STREAK else None

    def _wait_for_final(self, ended: float) -> float | None:
        with_effect = time.monotonic()
        wanted = set(self.load.model.open_ids())
        while time.monotonic() < ended + GIVE_UP:
            if not wanted & set(self.load.model.open_ids()):
                return max(time.monotonic(), with_effect) - ended
            time.sleep(POLL)
        return None

    def reconcile(self) -> list[str]:
        """Wait until all is imported and indexed; return all differences to the model.

        The load's threads have ended.
        """
        self.load.wait_for_final(FINAL_WITHIN)
        databases = Databases(self.stack.settings(), component="torture")
        try:
            deadline = time.monotonic() + FINAL_WITHIN
            while time.monotonic() < deadline and self._is_behind(databases):
                time.sleep(0.5)
            return [
                *reconcile_databases(databases, self.load.model),
                *self._reconcile_files(databases),
            ]
        finally:
            databases.dispose()

    def _is_behind(self, databases: Databases) -> bool:
        return any("position" in each for each in self._reconcile_files(databases))

    def _reconcile_files(self, databases: Databases) -> list[str]:
        return [
            *reconcile_index(databases, self.stack.index),
            *reconcile_store(databases, self.stack.store),
            *reconcile_sketch(databases, self.stack.sketch, EMBEDDED_RATE),
        ]


def _lateness(what: str, seconds: float | None, limit: float) -> Iterator[str]:
    if seconds is None:
        yield f"{what}: not within {GIVE_UP:.0f} s"
    elif seconds > limit:
        yield f"{what} after {seconds:.1f} s"


def _line(report: FaultReport) -> str:
    lookups = "never" if report.to_lookups is None else f"{report.to_lookups:.1f} s"
    final = "never" if report.to_final is None else f"{report.to_final:.1f} s"
    failed = f", {len(report.failures)} FAILED: {report.failures[0]}" if report.failures else ""
    return (
        f"stack {report.stack} fault {report.number}: {report.text}, {report.seconds:.1f} s; "
        f"lookups {lookups}, final {final}, {report.refused} refused{failed}"
    )
