"""The short form of ``make torture``: a dozen faults of chosen kinds on one stack."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.torture import faults
from tests.faults.torture.faults.kind import FaultKind
from tests.faults.torture.fuzz.http_requests import INDEX_SERVER, Server, fuzz_http_requests
from tests.faults.torture.report import RunReport
from tests.faults.torture.run import torture_one_stack
from tests.support.processes.index_server import running_index_server

SEED = 22
REQUESTS = 150
SHORT = 1.5
"""Seconds for which a fault lasts at most."""

KINDS = (
    "kill api",
    "kill worker-lookup",
    "kill worker-submission",
    "kill worker-index",
    "kill beat",
    "reset all-valkey",
    "cut workers-postgres",
    "freeze api-valkey",
    "kill valkey",
    "end connections of postgres",
    "FLUSHALL",
    "lock of the catalogue",
)


def short(kind: FaultKind) -> FaultKind:
    """Return a kind whose faults last no longer than `SHORT`."""
    shortest, longest = kind.seconds
    return replace(kind, seconds=(min(shortest, SHORT), min(longest, SHORT)))


@pytest.mark.timeout(300)
def test_a_dozen_faults_lose_and_double_nothing() -> None:
    chosen = [short(each) for each in faults.KINDS if each.name in KINDS]
    assert len(chosen) == len(KINDS)
    report = RunReport(SEED)
    torture_one_stack(0, len(chosen), chosen, report, is_short=True)
    assert report.is_good, report.text()
    assert report.counts["lookup right"] > 50
    assert report.counts["submit right"] > 50


def test_raw_requests_do_not_stop_an_index_server(tmp_path: Path) -> None:
    with running_index_server(tmp_path) as running:
        server = Server("127.0.0.1", running.port, INDEX_SERVER, "/_health")
        fuzz_http_requests(server, SEED, REQUESTS)
