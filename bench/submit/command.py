"""``acoustid bench submit``: submissions over HTTP until all have a final state."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import click

from bench.lookup.wrk import parse_report
from bench.stack.plan import Plan, plan_options
from bench.submit.import_run import ImportRun, Sent, imports_from
from bench.submit.submissions import SyntheticSubmission, encode_requests
from cli.argument_checks import CheckedCommand
from pipeline.runtime.databases import Databases

submissions_option = click.option(
    "--submissions",
    "count",
    type=click.IntRange(1),
    default=2000,
    show_default=True,
    help="Number of submissions.",
)
per_request_option = click.option(
    "--per-request",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    help="Submissions per request.",
)
connections_option = click.option(
    "--connections",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Concurrent connections.",
)


@click.command(cls=CheckedCommand)
@plan_options
@submissions_option
@per_request_option
@connections_option
def submit(*, plan: Plan, count: int, per_request: int, connections: int) -> None:
    """Measure submissions: imports per second and their cost.

    Half of the recordings are new. The others are in the catalogue or sent twice.
    """
    with plan.data() as data, plan.stack(data) as stack:
        databases = Databases(stack.settings, component="bench")
        try:
            run = HttpRun(stack, databases, plan.catalogue, count, per_request, connections)
            figures = imports_from(run, "HTTP")
        finally:
            databases.dispose()
    plan.report("submit", figures)


@dataclass(frozen=True)
class HttpRun(ImportRun):
    """One measurement of submissions over HTTP.

    Attributes:
        per_request: submissions per request.
        connections: the number of concurrent connections.
    """

    per_request: int
    connections: int

    def shape(self) -> dict[str, int]:
        """Return the numbers of submissions, submissions per request, and connections."""
        return {
            "submissions": self.submissions,
            "per_request": self.per_request,
            "connections": self.connections,
        }

    def send(self, submissions: Sequence[SyntheticSubmission]) -> Sent:
        """Post the submissions from a process of its own."""
        path = self.stack.data.root / "submissions.txt"
        requests = encode_requests(submissions, self.per_request, self.stack.user)
        path.write_text("\n".join(requests), encoding="ascii")
        command = [
            *(sys.executable, "-m", "bench.submit.sender", str(self.stack.port), str(path)),
            *("--connections", str(self.connections)),
        ]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        report = parse_report(ended.stdout, ended.stderr)
        return Sent(report["started"], report["sent"], report["seconds"])
