"""``acoustid bench submit``: submissions over HTTP until all have a final state."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from bench.catalogue.content import BenchCatalogue
from bench.lookup.wrk import parse_report
from bench.options import progress
from bench.stack.launch import LoadedStack
from bench.stack.plan import Plan, plan_options
from bench.stack.processes import Accounting, per_request
from bench.submit.submissions import (
    SubmissionSource,
    SyntheticSubmission,
    count_pending,
    encode_requests,
    judge,
    newest_id,
    read_outcomes,
    read_tracks,
)
from cli.argument_checks import CheckedCommand
from cli.errors import StackError
from pipeline.catalog.changelog_position import newest_position
from pipeline.following.open_index import open_index
from pipeline.runtime.databases import Databases

POLL: Final = 0.05  # seconds
PROGRESS_TIMEOUT: Final = 120.0  # seconds without progress
MAX_WRONG: Final = 0.01  # share of submissions on a wrong track


@click.command(cls=CheckedCommand)
@plan_options
@click.option(
    "--submissions",
    "count",
    type=click.IntRange(1),
    default=2000,
    show_default=True,
    help="Number of submissions.",
)
@click.option(
    "--per-request",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    help="Submissions per request.",
)
@click.option(
    "--connections",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Concurrent connections.",
)
def submit(*, plan: Plan, count: int, per_request: int, connections: int) -> None:
    """Measure submissions: imports per second and their cost.

    Half of the recordings are new. The others are in the catalogue or sent twice.
    """
    with plan.data() as data, plan.stack(data) as stack:
        databases = Databases(stack.settings, component="bench")
        try:
            load = SubmitLoad(count, per_request, connections)
            figures = SubmitRun(stack, databases, plan.catalogue, load).measure()
        finally:
            databases.dispose()
    plan.report("submit", figures)


@dataclass(frozen=True, slots=True)
class SubmitLoad:
    """Number of submissions, submissions per request, and connections."""

    submissions: int
    per_request: int
    connections: int


@dataclass(frozen=True)
class SubmitRun:
    """One measurement of submissions."""

    stack: LoadedStack
    databases: Databases
    catalogue: BenchCatalogue
    load: SubmitLoad

    def measure(self) -> dict[str, Any]:
        """Submit, wait until everything is imported and indexed, and return the figures."""
        before = newest_id(self.databases)
        submissions = SubmissionSource(self.catalogue, before).create(self.load.submissions)
        path = self.stack.data.root / "submissions.txt"
        requests = encode_requests(submissions, self.load.per_request, self.stack.user)
        path.write_text("\n".join(requests), encoding="ascii")
        progress(f"submitting {len(submissions)} recordings in {len(requests)} requests")
        accounting = Accounting(self.stack.data)
        cpu = accounting.cpu()
        sent = self._send(path)
        finished = self._wait()
        indexed = self._wait_for_index()
        used = accounting.cpu()
        states, took = read_outcomes(self.databases, before)
        seconds = finished - sent["started"]
        return {
            "shape": asdict(self.load),
            "states": states,
            "checks": self._check(submissions, sent["ids"], read_tracks(self.databases, before)),
            "seconds": round(seconds, 2),
            "imported_per_second": round(states.get("imported", 0) / seconds, 1),
            "received_per_second": round(len(submissions) / (sent["sent"] - sent["started"]), 1),
            "indexed_after_seconds": round(indexed - sent["started"], 2),
            "reply_ms": _percentiles(sent["seconds"]),
            "final_state_ms": _percentiles(took),
            "cpu_ms_per_submission": per_request(cpu, used, len(submissions)),
            "memory_mb": accounting.memory(),
        }

    def _send(self, path: Path) -> dict[str, Any]:
        command = [
            *(sys.executable, "-m", "bench.submit.sender", str(self.stack.port), str(path)),
            *("--connections", str(self.load.connections)),
        ]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        return parse_report(ended.stdout, ended.stderr)

    def _wait(self) -> float:
        """Wait until no submission is pending. Return the time in seconds since the epoch.

        Raises:
            StackError: no submission was imported for two minutes.
        """
        left, deadline = count_pending(self.databases), time.monotonic() + PROGRESS_TIMEOUT
        while left:
            time.sleep(POLL)
            now_left = count_pending(self.databases)
            if now_left < left:
                deadline = time.monotonic() + PROGRESS_TIMEOUT
            elif time.monotonic() > deadline:
                raise StackError(f"{left} submissions stay pending: see the workers' logs")
            left = now_left
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
        self,
        submissions: Sequence[SyntheticSubmission],
        ids: Sequence[int],
        found: Mapping[int, int],
    ) -> dict[str, int]:
        """Return the number of each verdict; see `judge`.

        Raises:
            StackError: more than `MAX_WRONG` of the submissions are not on the right track.
        """
        last = self.catalogue.track(self.catalogue.fingerprints - 1) + 1
        verdicts = judge(submissions, ids, found, known_tracks=last)
        if len(submissions) - verdicts["right"] > MAX_WRONG * len(submissions):
            raise StackError(f"submissions are on wrong tracks: {verdicts}")
        return verdicts


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return percentiles in ms."""
    values = np.percentile(seconds or [0.0], [50, 95, 99, 100]) * 1000
    names = ("p50", "p95", "p99", "max")
    return {name: round(float(value), 1) for name, value in zip(names, values, strict=True)}
