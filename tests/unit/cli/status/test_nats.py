"""The processes that take submissions from NATS, in the text of `acoustid status`."""

from dataclasses import asdict
from typing import Any

from cli.status.nats import describe_nats
from tasks.redis_state.ingest_reports import IngestReport


def text_of(**state: Any) -> str:
    process = asdict(IngestReport("here", 7, **state))
    return "\n".join(describe_nats({"processes": [process]}))


def test_a_connected_process() -> None:
    found = text_of(
        connected=True, server="nats:4222", seconds=61.4, reconnects=2, received=1200, waiting=3
    )
    assert found == (
        "here 7: connected to nats:4222 for 61 s, 2 reconnects, "
        "received 1,200, accepted 0, refused 0, waiting 3"
    )


def test_one_reconnect_is_singular() -> None:
    assert ", 1 reconnect, " in text_of(connected=True, server="a:1", reconnects=1)


def test_each_problem_has_a_line() -> None:
    found = text_of(problem="refused\x1b", setup_problem="wrong", announcement_problem="full")
    assert "not connected for 0 s" in found
    assert found.splitlines()[1:] == ["  wrong", "  refused?", "  full"]


def test_a_problem_that_two_parts_report_has_one_line() -> None:
    found = text_of(connected=True, problem="wrong consumer", setup_problem="wrong consumer")
    assert found.count("wrong consumer") == 1


def test_without_a_process_the_command_is_named() -> None:
    assert list(describe_nats({"processes": []})) == [
        "no process: start one with `acoustid ingest nats`"
    ]
