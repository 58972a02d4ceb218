"""``acoustid bench nats``: submissions by NATS JetStream until all have a final state."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import click
import psutil

from bench.lookup.wrk import parse_report
from bench.nats.server import NatsServer
from bench.stack.launch import KEY
from bench.stack.plan import Plan, plan_options
from bench.submit.command import (
    HttpRun,
    connections_option,
    per_request_option,
    submissions_option,
)
from bench.submit.import_run import ImportRun, Sent, imports_from
from bench.submit.submissions import SyntheticSubmission, newest_id
from cli.argument_checks import CheckedCommand
from cli.stack.data_directory import DataDir
from pipeline.runtime.databases import Databases

SERVERS: Final = "ACOUSTID_NATS_SERVERS"
RATE: Final = "imported_per_second"


@click.command(cls=CheckedCommand)
@plan_options
@submissions_option
@click.option(
    "--per-message",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="Submissions per message.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Number of measurements.",
)
@click.option(
    "--compare/--no-compare",
    default=True,
    show_default=True,
    help="Measure submissions over HTTP too, in turns, as `acoustid bench submit` does.",
)
@per_request_option
@connections_option
def nats(
    *,
    plan: Plan,
    count: int,
    per_message: int,
    rounds: int,
    compare: bool,
    per_request: int,
    connections: int,
) -> None:
    """Measure submissions by NATS: imports per second and their cost.

    The messages are published as fast as the server takes them. `--per-request` and `--connections`
    are those of the submissions over HTTP.
    """
    figures: dict[str, Any] = {}
    with plan.data() as data, _server(data) as server, plan.stack(data, _settings(server)) as stack:
        databases = Databases(stack.settings, component="bench")
        try:
            runs: dict[str, ImportRun] = {
                "nats": NatsRun(stack, databases, plan.catalogue, count, per_message, server)
            }
            if compare:
                runs["http"] = HttpRun(
                    stack, databases, plan.catalogue, count, per_request, connections
                )
            figures = measure_in_turns(runs, rounds)
        finally:
            databases.dispose()
    plan.report("nats", figures)


@dataclass(frozen=True)
class NatsRun(ImportRun):
    """One measurement of submissions by NATS.

    Attributes:
        per_message: submissions per message.
        server: the NATS server.
    """

    per_message: int
    server: NatsServer

    def shape(self) -> dict[str, int]:
        """Return the numbers of submissions and of submissions per message."""
        return {"submissions": self.submissions, "per_message": self.per_message}

    def measure(self) -> dict[str, Any]:
        """Return the figures; the CPU of the NATS server is not part of the total."""
        process = psutil.Process(self.server.pid)
        before = sum(process.cpu_times()[:2])
        figures = super().measure()
        used = sum(process.cpu_times()[:2]) - before
        figures["cpu_ms_per_submission"]["nats_server"] = round(1000 * used / self.submissions, 3)
        return figures

    def send(self, submissions: Sequence[SyntheticSubmission]) -> Sent:
        """Publish the submissions from a process of its own."""
        path = self.stack.data.root / "messages.txt"
        path.write_text("\n".join(encode_messages(submissions, self.per_message)), "ascii")
        command = [
            *(sys.executable, "-m", "bench.nats.publisher", self.server.url, str(path)),
            *("--subject", self.stack.settings.nats.submission_subject),
            *("--client", KEY, "--user", self.stack.user),
            *("--ids", str(newest_id(self.databases))),
        ]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        report = parse_report(ended.stdout, ended.stderr)
        return Sent(report["started"], report["sent"])


def encode_messages(submissions: Sequence[SyntheticSubmission], per_message: int) -> list[str]:
    """Return the bodies of messages: one submission each, or lists of `per_message`."""
    forms = [each.form for each in submissions]
    if per_message == 1:
        return [json.dumps(form) for form in forms]
    return [
        json.dumps(forms[first : first + per_message])
        for first in range(0, len(forms), per_message)
    ]


def measure_in_turns(runs: dict[str, ImportRun], rounds: int) -> dict[str, Any]:
    """Measure each run once in every round. The first one of a round is another one each time.

    Returns:
        The figures of each run, by its name; the median rate of each; the ratio of the rate by NATS
        to that over HTTP, the median of all rounds.
    """
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in runs}
    for number in range(rounds):
        for name in sorted(runs, reverse=number % 2 == 0):
            found[name].append(imports_from(runs[name], name))
    figures: dict[str, Any] = {
        "median_imported_per_second": {
            name: median(each[RATE] for each in measured) for name, measured in found.items()
        }
    }
    if "http" in found:
        pairs = zip(found["nats"], found["http"], strict=True)
        figures["ratio"] = round(median(one[RATE] / other[RATE] for one, other in pairs), 2)
    return {**figures, **found}


def _settings(server: NatsServer) -> dict[str, str]:
    return {SERVERS: server.url}


@contextmanager
def _server(data: DataDir) -> Iterator[NatsServer]:
    """Run a NATS server during the block, with its streams beside the data directory.

    Raises:
        StackError: it is not installed, or does not start.
    """
    data.create()
    folder = data.root / "nats"
    folder.mkdir(exist_ok=True)
    server = NatsServer(folder / "streams")
    server.start()
    try:
        yield server
    finally:
        server.stop()
