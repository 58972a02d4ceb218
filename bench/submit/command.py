"""``acoustid bench submit``: submissions over HTTP, until the last one has its final state."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from bench.catalogue.catalogue import Catalogue
from bench.lookup.drivers import parse
from bench.stack.accounting import Accounting, per_request
from bench.stack.options import Plan, plan_options, progress
from bench.stack.stack import Stack
from bench.submit.submissions import (
    Item,
    Submitter,
    bodies,
    judge,
    newest,
    outcome,
    pending,
    tracks,
)
from cli.errors import StackError
from pipeline.catalog.fingerprint import changelog
from pipeline.following.open_index import open_index
from pipeline.runtime.databases import Databases

POLL: Final = 0.05  # seconds
PATIENCE: Final = 120.0  # seconds without a change after which it is given up
MOST_WRONG: Final = 0.01  # share of submissions on a wrong track


@click.command()
@plan_options
@click.option(
    "--submissions",
    "count",
    type=click.IntRange(1),
    default=2000,
    show_default=True,
    help="How many.",
)
@click.option(
    "--per-request",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    help="How many of them in one request.",
)
@click.option(
    "--connections", type=click.IntRange(1), default=4, show_default=True, help="At the same time."
)
def submit(*, plan: Plan, count: int, per_request: int, connections: int) -> None:
    """Measure submissions: how many become part of the catalogue in a second, at what cost.

    Half of the recordings are new, the others are known or sent twice.
    """
    with plan.data() as data, plan.stack(data) as stack:
        databases = Databases(stack.settings, component="bench")
        try:
            run = Run(stack, databases, plan.catalogue, Shape(count, per_request, connections))
            figures = run.measure()
        finally:
            databases.dispose()
    plan.report("submit", figures)


@dataclass(frozen=True, slots=True)
class Shape:
    """How many submissions there are, how many in a request, over how many connections."""

    submissions: int
    per_request: int
    connections: int


@dataclass(frozen=True)
class Run:
    """One measurement of submissions."""

    stack: Stack
    databases: Databases
    catalogue: Catalogue
    shape: Shape

    def measure(self) -> dict[str, Any]:
        """Submit, wait until all is imported and indexed, and return the figures."""
        before = newest(self.databases)
        items = Submitter(self.catalogue, before).make(self.shape.submissions)
        path = self.stack.data.root / "submissions.txt"
        requests = bodies(items, self.shape.per_request, self.stack.user)
        path.write_text("\n".join(requests), encoding="ascii")
        progress(f"submitting {len(items)} recordings in {len(requests)} requests")
        accounting = Accounting(self.stack.data)
        cpu = accounting.cpu()
        sent = self._send(path)
        finished = self._wait()
        indexed = self._wait_for_index()
        used = accounting.cpu()
        states, took = outcome(self.databases, before)
        seconds = finished - sent["started"]
        return {
            "shape": asdict(self.shape),
            "states": states,
            "checks": self._check(items, sent["ids"], tracks(self.databases, before)),
            "seconds": round(seconds, 2),
            "imported_per_second": round(states.get("imported", 0) / seconds, 1),
            "received_per_second": round(len(items) / (sent["sent"] - sent["started"]), 1),
            "indexed_after_seconds": round(indexed - sent["started"], 2),
            "reply_ms": _percentiles(sent["seconds"]),
            "final_state_ms": _percentiles(took),
            "cpu_ms_per_submission": per_request(cpu, used, len(items)),
            "memory_mb": accounting.memory(),
        }

    def _send(self, path: Path) -> dict[str, Any]:
        command = [
            *(sys.executable, "-m", "bench.submit.sender", str(self.stack.port), str(path)),
            *("--connections", str(self.shape.connections)),
        ]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        return parse(ended.stdout, ended.stderr)

    def _wait(self) -> float:
        """Wait until no submission is pending; return when that was, seconds since the epoch.

        Raises:
            StackError: nothing changes any more.
        """
        left, deadline = pending(self.databases), time.monotonic() + PATIENCE
        while left:
            time.sleep(POLL)
            now_left = pending(self.databases)
            if now_left < left:
                deadline = time.monotonic() + PATIENCE
            elif time.monotonic() > deadline:
                raise StackError(f"{left} submissions stay pending: see the workers' logs")
            left = now_left
        return time.time()

    def _wait_for_index(self) -> float:
        """Wait until lookups can find everything; return when that was.

        Raises:
            StackError: the index doesn't follow.
        """
        with self.databases.engine("fingerprint").connect() as connection:
            wanted = changelog.position(connection)
        deadline = time.monotonic() + PATIENCE
        with open_index(self.stack.settings.fingerprint_index) as index:
            while index.position() < wanted:
                if time.monotonic() > deadline:
                    raise StackError("the index is not up to date: see the index worker's log")
                time.sleep(POLL)
        return time.time()

    def _check(
        self, items: Sequence[Item], ids: Sequence[int], found: Mapping[int, int]
    ) -> dict[str, int]:
        """Return how many submissions are on the right track.

        Raises:
            StackError: too few for a measurement to mean anything.
        """
        last = self.catalogue.track(self.catalogue.fingerprints - 1) + 1
        verdicts = judge(items, ids, found, known_tracks=last)
        if len(items) - verdicts["right"] > MOST_WRONG * len(items):
            raise StackError(f"submissions are on wrong tracks: {verdicts}")
        return verdicts


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return percentiles in ms."""
    values = np.percentile(seconds or [0.0], [50, 95, 99, 100]) * 1000
    names = ("p50", "p95", "p99", "max")
    return {name: round(float(value), 1) for name, value in zip(names, values, strict=True)}
