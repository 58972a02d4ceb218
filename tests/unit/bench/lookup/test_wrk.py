"""The report of wrk."""

import pytest

from bench.lookup.wrk import WrkReport, find_wrk, parse_report
from cli.errors import StackError


def test_the_last_line_of_the_output_is_the_report():
    report = '{"requests": 3, "seconds": 1.0}'
    assert parse_report(f"Running 1s test\n\n{report}\n", "") == {"requests": 3, "seconds": 1.0}


def test_an_error_quotes_the_output():
    with pytest.raises(StackError, match="unable to connect"):
        parse_report("", "unable to connect to 127.0.0.1")


def test_a_missing_wrk_is_an_error_with_the_command_to_install_it(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(StackError, match="apt-get install wrk"):
        find_wrk()


@pytest.mark.parametrize(
    ("sent", "found", "none", "refused", "unexpected"),
    [
        (100, 80, 20, 0, 0),
        (104, 76, 24, 0, 0),  # four replies are missing
        (104, 70, 30, 0, 6),
        (100, 81, 19, 0, 1),
        (100, 70, 20, 10, 0),  # refused requests may have known fingerprints
    ],
)
def test_unexpected_results_are_counted(sent, found, none, refused, unexpected):
    load = WrkReport(
        requests=100,
        seconds=1.0,
        sent=sent,
        known=80,
        rounds=0,
        found=found,
        none=none,
        refused=refused,
        late=0,
        errors={},
        latency_ms={},
        driver_cpu=0.0,
    )
    assert load.unexpected() == unexpected
