"""The measurement of imports, for any way in: HTTP or NATS."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bench.catalogue.content import BenchCatalogue
from bench.options import progress
from bench.stack.launch import LoadedStack
from bench.stack.processes import Accounting, per_request
from bench.submit.submissions import (
    SubmissionSource,
    SyntheticSubmission,
    count_final,
    judge,
    newest_id,
    read_ids,
    read_outcomes,
    read_tracks,
)
from cli.errors import StackError
from pipeline.catalog.changelog_position import newest_position
from pipeline.following.open_index import open_index
from pipeline.runtime.databases import Databases

POLL: Final = 0.05  # seconds
PROGRESS_TIMEOUT: Final = 120.0  # seconds without progress
MAX_WRONG: Final = 0.01  # share of submissions on a wrong track


@dataclass(frozen=True, slots=True)
class Sent:
    """The sending of all submissions.

    Attributes:
        started: the time of the first byte, in seconds since the epoch.
        ended: the time of the last reply, in seconds since the epoch.
        reply_seconds: the duration of each request; empty if it is not measured.
    """

    started: float
    ended: float
    reply_seconds: Sequence[float] = ()


@dataclass(frozen=True)
class ImportRun(ABC):
    """One measurement of imports.

    Attributes:
        stack: the stack.
        databases: its databases.
        catalogue: the content of the stack.
        submissions: the number of submissions to send.
    """

    stack: LoadedStack
    databases: Databases
    catalogue: BenchCatalogue
    submissions: int

    @abstractmethod
    def send(self, submissions: Sequence[SyntheticSubmission]) -> Sent:
        """Send the submissions, and wait for the last reply."""

    @abstractmethod
    def shape(self) -> dict[str, int]:
        """Return the numbers that describe the load."""

    def measure(self) -> dict[str, Any]:
        """Send, wait until everything is imported and indexed, and return the figures."""
        before = newest_id(self.databases)
        submissions = SubmissionSource(self.catalogue, before).create(self.submissions)
        accounting = Accounting(self.stack.data)
        cpu = accounting.cpu()
        sent = self.send(submissions)
        finished = self._wait(before)
        indexed = self._wait_for_index()
        used = accounting.cpu()
        states, took = read_outcomes(self.databases, before)
        seconds = finished - sent.started
        figures = {
            "shape": self.shape(),
            "states": states,
            "checks": self._check(submissions, before, sum(states.values())),
            "seconds": round(seconds, 2),
            "imported_per_second": round(states.get("imported", 0) / seconds, 1),
            "received_per_second": round(len(submissions) / (sent.ended - sent.started), 1),
            "indexed_after_seconds": round(indexed - sent.started, 2),
            "final_state_ms": _percentiles(took),
            "cpu_ms_per_submission": per_request(cpu, used, len(submissions)),
            "memory_mb": accounting.memory(),
        }
        if sent.reply_seconds:
            figures["reply_ms"] = _percentiles(sent.reply_seconds)
        return figures

    def _wait(self, before: int) -> float:
        """Wait until all submissions have a final state. Return the time since the epoch.

        Args:
            before: the highest id of a submission before the first one was sent.

        Raises:
            StackError: no submission got its final state for two minutes.
        """
        final, deadline = 0, time.monotonic() + PROGRESS_TIMEOUT
        while final < self.submissions:
            time.sleep(POLL)
            now_final = count_final(self.databases, before)
            if now_final > final:
                deadline = time.monotonic() + PROGRESS_TIMEOUT
            elif time.monotonic() > deadline:
                left = self.submissions - now_final
                raise StackError(f"{left} submissions have no final state: see the workers' logs")
            final = now_final
        return time.time()

    def _wait_for_index(self) -> float:
        """Wait until the index contains everything. Return the time in seconds since the epoch.

        Raises:
            StackError: the index is not up to date after two minutes.
        """
        with self.databases.engine("fingerprint").connect() as connection:
            wanted = newest_position(connection)
        deadline = time.monotonic() + PROGRESS_TIMEOUT
        with open_index(self.stack.settings.fingerprint_index) as index:
            while index.position() < wanted:
                if time.monotonic() > deadline:
                    raise StackError("the index is not up to date: see the index worker's log")
                time.sleep(POLL)
        return time.time()

    def _check(
        self, submissions: Sequence[SyntheticSubmission], before: int, received: int
    ) -> dict[str, int]:
        """Return the number of each verdict; see `judge`.

        Raises:
            StackError: a submission was received twice, or more than `MAX_WRONG` of them are not
                on the right track.
        """
        if received != len(submissions):
            raise StackError(f"{received} submissions were received, {len(submissions)} were sent")
        received_ids = read_ids(self.databases, before)
        ids = [received_ids.get(each.gid(), 0) for each in submissions]  # 0 is on no track
        last = self.catalogue.track(self.catalogue.fingerprints - 1) + 1
        verdicts = judge(submissions, ids, read_tracks(self.databases, before), known_tracks=last)
        if len(submissions) - verdicts["right"] > MAX_WRONG * len(submissions):
            raise StackError(f"submissions are on wrong tracks: {verdicts}")
        return verdicts


def imports_from(run: ImportRun, name: str) -> dict[str, Any]:
    """Measure a run, and print its rate."""
    progress(f"{name}: sending {run.submissions} recordings")
    figures = run.measure()
    progress(f"{name}: {figures['imported_per_second']} imports per second")
    return figures


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return percentiles in ms."""
    values = np.percentile(seconds or [0.0], [50, 95, 99, 100]) * 1000
    names = ("p50", "p95", "p99", "max")
    return {name: round(float(value), 1) for name, value in zip(names, values, strict=True)}
