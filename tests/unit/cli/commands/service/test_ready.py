"""``acoustid ready`` waits for the API."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from click.testing import CliRunner

from cli.commands.service import ready as command
from cli.commands.service.ready import ready, wait_for_api
from cli.errors import StackError
from cli.stack.servers.ports import free_port


@contextmanager
def health_server(statuses: list[int]) -> Iterator[str]:
    """Reply with these statuses in order, then with the last one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b'{"status": "ok"}' if status == 200 else b'{"failed": ["index"]}')

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
        wait_for_api(url, time.monotonic() + 30)
    assert statuses == [200]


def test_the_error_quotes_the_last_reply() -> None:
    with health_server([503]) as url, pytest.raises(StackError, match=r"503 .*index"):
        wait_for_api(url, time.monotonic())


def test_lookups_that_are_not_answered_are_reported_and_no_error(monkeypatch) -> None:
    """Otherwise `acoustid up` would stop the stack whose index is being filled."""
    monkeypatch.setattr(command, "LOOKUPS_TIMEOUT", 0.0)
    with health_server([200, 503]) as url:
        result = CliRunner().invoke(ready, ["--api", url.removesuffix("/_health")])
    assert result.exit_code == 0
    assert "lookups are not answered yet: " in result.output
    assert '{"failed": ["index"]}' in result.output


def test_an_unreachable_api_is_an_error() -> None:
    with pytest.raises(StackError, match="reports a problem"):
        wait_for_api(f"http://127.0.0.1:{free_port()}/_health", time.monotonic())
