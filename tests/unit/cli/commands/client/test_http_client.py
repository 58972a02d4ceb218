"""Client commands refuse impossible arguments, wait when the server asks, and check replies."""

import os
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from cli.commands.client import http_client, retries
from cli.commands.client.http_client import Client, RefusedError
from cli.commands.client.retries import pause_of
from cli.exit_status import ExitStatus
from cli.main import main
from cli.stack.data_directory import DataDir
from cli.stack.processes.strays import ProcessIdentity
from cli.stack.run_state import RunningProcess, RunState
from tests.support.clients.scripted_server import Scripted, scripted_server

LOOKUP = ["lookup", "--duration", "10"]
SUBMIT = ["submit", "--duration", "10", "--user", "u"]
SERVER = ["--server", "http://127.0.0.1:1"]
NOT_UTF8 = "\udcff"  # a byte, as Python decodes arguments


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([*LOOKUP, *SERVER, "--client", NOT_UTF8, "AQAA"], "not valid UTF-8"),
        ([*LOOKUP, *SERVER, "--client", "x", NOT_UTF8], "not valid UTF-8"),
        ([*SUBMIT, *SERVER, "--client", "x", "--track", NOT_UTF8, "AQAA"], "not valid UTF-8"),
        ([*LOOKUP, "--server", "here:5000", "--client", "x", "AQAA"], "http:// or https://"),
        ([*LOOKUP, "--server", NOT_UTF8, "--client", "x", "AQAA"], "http:// or https://"),
    ],
)
def test_an_impossible_argument_is_an_error_with_a_text(arguments: list[str], reason: str) -> None:
    answer = CliRunner().invoke(main, arguments)
    assert isinstance(answer.exception, SystemExit), repr(answer.exception)
    assert answer.exit_code == 1
    assert reason in answer.output


HTML = b"<html><body>It works!</body></html>"


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (Scripted(body=HTML), "replied 200: not a reply of the AcoustID web service"),
        (Scripted(404, HTML), "replied 404: not a reply of the AcoustID web service"),
        (Scripted(), "replied 200: not a reply of the AcoustID web service"),
        (Scripted(body=b"[" * 100_000), "not a reply of the AcoustID web service"),
        (Scripted(body=[]), "not a reply of the AcoustID web service"),
        (Scripted(body={"status": "error", "error": "no"}), "not a reply of the AcoustID"),
        (Scripted(body={"status": "ok"}), "is not one of the AcoustID web service"),
        (Scripted(body={"status": "ok", "results": [1]}), "is not one of the AcoustID"),
        (Scripted(body={"status": "ok", "results": [{"id": 1}]}), "is not one of the AcoustID"),
        (
            Scripted(301, headers={"Location": "https://x.example/\x1b[1m"}),
            "replied 301: it redirects to https://x.example/?[1m; give that server with --server",
        ),
        (Scripted(500, HTML), "replied 500: it has failed, or a proxy in front of it"),
        (Scripted(502, HTML), "replied 502: it has failed, or a proxy in front of it"),
        (Scripted(500, {"error": {"code": 5, "message": "internal error"}}), "500: internal error"),
        (Scripted(401, {"error": {"code": 4, "message": "bad key"}}), "replied 401: bad key"),
    ],
)
def test_a_server_that_is_not_acoustid(reply: Scripted, text: str) -> None:
    with scripted_server(lambda *_: reply) as server:
        for command in (LOOKUP, [*SUBMIT, "--track", "x"]):
            if "results" in str(reply.body) and command is not LOOKUP:
                continue
            options = ["--server", server.address, "--client", "x", "AQAA"]
            answer = CliRunner().invoke(main, [*command, *options])
            assert isinstance(answer.exception, SystemExit), repr(answer.exception)
            assert answer.exit_code == ExitStatus.FAILED
            assert text in answer.stderr
            if "is not one of" in text:
                assert server.address in answer.stderr
            if reply.status >= 500:
                assert "--server" not in answer.stderr


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3), ("1.5", 1.5), ("0", 1), (None, 1), ("", 1), ("soon", 1), ("-5", 1), ("nan", 1)],
)
def test_the_pause_that_a_header_asks_for(header: str | None, seconds: float) -> None:
    assert pause_of(header) == seconds


def test_the_pause_until_a_date() -> None:
    date = datetime.now(UTC) + timedelta(seconds=40)
    for text in (format_datetime(date, usegmt=True), format_datetime(date.replace(tzinfo=None))):
        assert 35 < pause_of(text) <= 40
    assert pause_of("Wed, 21 Oct 2015 07:28:00 GMT") == 1
    assert pause_of("Wed, 99 Oct 2015 07:28:00 GMT") == 1


class Clock:
    """A clock that only the waits of the client and the replies of a server advance.

    Attributes:
        now: the time in seconds.
        pauses: the waits.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Wait without waiting."""
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the client."""
    made = Clock()
    monkeypatch.setattr(http_client, "time", made)
    monkeypatch.setattr(retries, "time", made)
    return made


def limit(status: int, seconds: str) -> Scripted:
    message = {"error": {"code": 14, "message": "too many"}}
    return Scripted(status, message, {"Retry-After": seconds})


def test_each_wait_at_a_rate_limit_is_told(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    replies = iter([limit(429, "2"), limit(503, "1.5"), Scripted(body={"status": "ok"})])
    with scripted_server(lambda *_: next(replies)) as server:
        Client(server.address, "key").post("/v2/lookup", [])
    assert clock.pauses == [2, 1.5]
    assert capsys.readouterr().err.splitlines() == [
        "the server asks to wait 2 s: too many",
        "the server asks to wait 1.5 s: too many",
    ]


def test_the_same_wait_is_told_once_in_ten_seconds(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    replies = iter([*[limit(429, "1")] * 25, Scripted(body={"status": "ok"})])
    with scripted_server(lambda *_: next(replies)) as server:
        Client(server.address, "key").post("/v2/lookup", [])
    assert len(clock.pauses) == 25
    assert capsys.readouterr().err.splitlines() == ["the server asks to wait 1 s: too many"] * 3


@pytest.mark.parametrize(("status", "waits"), [(429, 15), (503, 1)])
def test_the_client_gives_up_after_some_time(clock: Clock, status: int, waits: int) -> None:
    with (
        scripted_server(lambda *_: limit(status, "20")) as server,
        pytest.raises(RefusedError, match="too many; it asks to wait 20 s"),
    ):
        Client(server.address, "key").post("/v2/lookup", [])
    assert clock.pauses == [20] * waits


def test_the_time_of_the_replies_counts(clock: Clock) -> None:
    def slow(*_: object) -> Scripted:
        clock.now += 16
        return Scripted(503, HTML)

    with scripted_server(slow) as server, pytest.raises(RefusedError):
        Client(server.address, "key").post("/v2/lookup", [])
    assert clock.pauses == [1]
    assert len(server.forms) == 2


@pytest.mark.parametrize(
    ("status", "told", "error"),
    [
        (503, "is not available (503), trying again", "503: it is not available"),
        (429, "limits the requests (429), trying again", "429: it limits the requests"),
    ],
)
def test_a_proxy_without_a_server(
    clock: Clock, capsys: pytest.CaptureFixture[str], status: int, told: str, error: str
) -> None:
    with scripted_server(lambda *_: Scripted(status, HTML)) as server:
        with pytest.raises(RefusedError, match=error):
            Client(server.address, "key").post("/v2/lookup", [])
        lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"{server.address} {told}"
    assert len(lines) <= len(clock.pauses) / 10 + 1


ESCAPE = "\x1b]0;pwn\x07"


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
def test_no_control_character_of_a_server_reaches_the_terminal(tmp_path: Path, status: int) -> None:
    """Neither in a result, nor in an error of the request or of a line, nor in a wait."""
    error = {"code": 5, "message": f"no {ESCAPE}"}
    recording = {"id": ESCAPE, "title": ESCAPE, "artists": [{"name": ESCAPE}]}
    results = [{"id": ESCAPE, "score": 1.0, "recordings": [recording]}, {"id": ESCAPE, "score": 1}]
    bodies = {
        "/v2/lookup": {
            "results": results,
            "fingerprints": [{"index": "1", "results": results}],
            "skipped": [{"index": "2", "error": error}],
        },
        "/v2/submit": {
            "submissions": [{"id": 5, "index": "1", "status": "pending"}],
            "skipped": [{"index": "2", "error": error}],
        },
        "/v2/submission_status": {
            "submissions": [{"id": 5, "status": f"failed{ESCAPE}", "reason": ESCAPE}]
        },
    }
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"fingerprint": "AQAA", "duration": 10, "track": "x"}\n' * 2)

    def reply(path: str, _: object) -> Scripted:
        status_ok = {"status": "ok", **bodies[path]}
        return Scripted(status, status_ok if status == 200 else {"error": error})

    with scripted_server(reply) as server:
        options = ["--server", server.address, "--client", "x"]
        for command in (
            [*LOOKUP, "AQAA"],
            ["lookup", str(lines)],
            [*SUBMIT, str(lines)],
            [*SUBMIT, "--track", "x", "AQAA"],
        ):
            answer = CliRunner().invoke(main, [*command, *options])
            assert "pwn" in answer.output, answer.output
            assert not {"\x1b", "\x07"} & set(answer.output), answer.output


def write_stack(folder: Path, prepared: bytes, host: str, port: int) -> DataDir:
    """Write the files of a stack whose web service listens on a port."""
    data = DataDir.at(folder)
    data.create()
    data.config.write_text("")
    data.prepared.write_bytes(prepared)
    this = ProcessIdentity(os.getpid(), psutil.Process().create_time())
    RunState(this, (RunningProcess("api", 1, port, host, this),)).save(data)
    return data


def look_up_in(data: DataDir, *more: str) -> Any:
    return CliRunner().invoke(main, [*LOOKUP, "AQAA", "--data-dir", str(data.root), *more])


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])  # noqa: S104
def test_the_server_is_that_of_the_stack(tmp_path: Path, host: str) -> None:
    with scripted_server(lambda *_: Scripted(body={"status": "ok", "results": []})) as server:
        keys = b'{"demo": {"client": "c", "user": "u"}}'
        data = write_stack(tmp_path, keys, host, int(server.address.rpartition(":")[2]))
        with data.lock():
            assert look_up_in(data).output == "No recording has this fingerprint.\n"
            assert server.forms[0][1]["client"] == ["c"]
        stopped = look_up_in(data)
    assert stopped.exit_code == ExitStatus.NO_STACK
    assert "does not run" in stopped.stderr


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"demo": 3}', b'{"demo": {}}', b"\xff"])
def test_a_damaged_file_of_keys(tmp_path: Path, content: bytes) -> None:
    with scripted_server(lambda *_: Scripted(body={"status": "ok", "results": []})) as server:
        port = int(server.address.rpartition(":")[2])
        data = write_stack(tmp_path, content, "127.0.0.1", port)
        with data.lock():
            answer = look_up_in(data)
            assert answer.exit_code == ExitStatus.FAILED
            assert "no application key: give one with --client" in answer.stderr
            assert look_up_in(data, "--client", "x").exit_code == ExitStatus.OK
