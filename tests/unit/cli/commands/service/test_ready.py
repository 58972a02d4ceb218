"""``acoustid ready`` waits for the API."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import click
import pytest
from click.testing import CliRunner

from cli import progress
from cli.commands.service import ready as command
from cli.commands.service.ready import ready, wait_for_api, wait_for_workers
from cli.errors import StackError
from cli.main import main
from cli.progress import Progress
from cli.stack.servers.ports import free_port
from pipeline.lookups.condition import INDEX_ADVICE, Condition


@contextmanager
def health_server(statuses: list[int], fault: str = "no worker") -> Iterator[str]:
    """Reply with these statuses in order, then with the last one. An error has a fault."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
            self.send_response(status)
            self.end_headers()
            faults = [] if status == 200 else [fault]
            self.wfile.write(json.dumps({"faults": faults}).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/_health"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_wait_for_api_returns_when_the_api_is_healthy() -> None:
    statuses = [503, 503, 200]
    with health_server(statuses) as url:
        wait_for_api(url, 30, Progress(click.echo))
    assert statuses == [200]


def test_the_error_quotes_the_last_reply() -> None:
    with health_server([503]) as url, pytest.raises(StackError, match="problem: no worker"):
        wait_for_api(url, 0, Progress(click.echo))


def test_the_fault_is_printed_while_it_may_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    with health_server([503, 200]) as url:
        wait_for_api(url, 30, Progress(click.echo))
    assert capsys.readouterr().out == "waiting for the API: no worker\n"


@pytest.mark.parametrize("condition", [Condition.FOREIGN, Condition.DAMAGED])
def test_a_fault_that_needs_the_operator_ends_the_wait_at_once(condition: Condition) -> None:
    fault = f"1 of 2 workers: {INDEX_ADVICE[condition]}"
    with health_server([503], fault) as url, pytest.raises(StackError, match="index rebuild"):
        wait_for_api(url, 3600, Progress(click.echo))


def test_the_workers_that_send_no_heartbeat_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a limit: on a busy machine a worker takes minutes to start."""
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    replies = iter([[], ["lookup-1@host"], ["index@host", "lookup-1@host", "other@host"]])
    wait_for_workers(["lookup-1", "index"], lambda: next(replies), Progress(click.echo))
    assert capsys.readouterr().out.splitlines() == [
        "waiting for the workers index, lookup-1",
        "waiting for the workers index",
    ]


def test_lookups_that_are_not_answered_are_reported_and_no_error(monkeypatch) -> None:
    """Otherwise `acoustid up` would stop the stack whose index is being filled."""
    monkeypatch.setattr(command, "LOOKUPS_TIMEOUT", 0.0)
    with health_server([200, 503]) as url:
        result = CliRunner().invoke(ready, ["--api", url.removesuffix("/_health")])
    assert result.exit_code == 0
    assert "lookups are not answered yet: " in result.output
    assert "no worker" in result.output


def test_a_redis_that_cannot_be_reached_gets_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACOUSTID_REDIS_PORT", str(free_port()))
    result = CliRunner().invoke(main, ["ready", "--node", "index"])
    assert result.exit_code == 1
    assert [line for line in result.output.splitlines() if line.startswith("Error: ")] == [
        result.output.splitlines()[-1]
    ]
    assert "Redis: " in result.output
    assert "Traceback" not in result.output
