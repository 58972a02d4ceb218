"""Health checks of a stack's front end, as `acoustid up` and `acoustid status` read them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from click.testing import CliRunner

from cli.commands.service import up as command
from cli.stack import front_end_health
from cli.stack.data_directory import DataDir
from cli.stack.front_end_health import lookup_faults, read_health, settled_health
from cli.stack.processes.stopping import StopOrder
from cli.stack.processes.strays import ProcessIdentity
from cli.stack.run_state import RunningProcess, RunState
from cli.stack.servers.ports import free_port

FOREIGN = "2 of 2 workers: the index belongs to another database"
OK = {"status": "ok", "faults": []}
DEGRADED = {"status": "degraded", "faults": [FOREIGN]}
ERROR = {"status": "error", "faults": [FOREIGN]}


def stack(port: int) -> RunState:
    nobody = ProcessIdentity(2**22, 1.0)
    api = RunningProcess("api", StopOrder.FRONT_END, port, "127.0.0.1", nobody)
    return RunState(nobody, (api,), ready=True)


@contextmanager
def front_end(*bodies: dict[str, object]) -> Iterator[RunState]:
    """Reply with these bodies in order, then with the last one."""
    left = list(bodies)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(503 if body["status"] == "error" else 200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stack(server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_error_has_a_reply_too() -> None:
    with front_end(ERROR) as state:
        assert read_health(state) == ERROR


def test_a_fault_that_ends_soon_is_not_reported(monkeypatch) -> None:
    monkeypatch.setattr(front_end_health, "POLL_INTERVAL", 0.0)
    with front_end(DEGRADED, DEGRADED, OK) as state:
        assert settled_health(state) == OK
    with front_end(DEGRADED) as state:
        assert settled_health(state, 0) == DEGRADED


def test_without_a_front_end_there_is_no_reply() -> None:
    for state in (None, RunState(ProcessIdentity(2**22, 1.0)), stack(free_port())):
        assert settled_health(state, 0) is None
        assert lookup_faults(state) == []


def test_the_faults_of_lookups_are_those_that_prevent_them() -> None:
    for body, expected in ((OK, []), (DEGRADED, []), (ERROR, [FOREIGN])):
        with front_end(body) as state:
            assert lookup_faults(state) == expected


def test_up_ends_with_the_health_unless_it_is_ok(tmp_path: Path, monkeypatch) -> None:
    data = DataDir.at(tmp_path)
    data.create()
    monkeypatch.setattr(command, "start_detached", lambda _data: None)
    monkeypatch.setattr(front_end_health, "SETTLED_AFTER", 0.0)
    arguments = ["--detach", "--data-dir", str(tmp_path)]
    for body, end in ((OK, "/_health\n\n"), (DEGRADED, f"health    degraded\n  {FOREIGN}\n\n")):
        with front_end(body) as state:
            state.save(data)
            answer = CliRunner().invoke(command.up, arguments)
        assert answer.exit_code == 0, answer.output
        assert answer.output.endswith(end)
