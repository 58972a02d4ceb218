"""An HTTP client of the web service, for the commands in this folder."""

import gzip
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import click

from cli.commands.client.audio_seconds import RANGE, whole_seconds
from cli.errors import StackError
from cli.stack import data_directory
from cli.stack.data_directory import DataDir
from cli.stack.demo_keys import Prepared
from cli.stack.run_state import RunState

TIMEOUT: Final = 30.0  # seconds for one request
ATTEMPTS: Final = 6  # attempts of a request, if the server replies 429 or 503
MAX_PAUSE: Final = 20.0  # seconds between two attempts
REQUIRED: Final = ("fingerprint", "duration")  # fields of each line of a file

Form = Sequence[tuple[str, str]]


class RefusedError(StackError):
    """The server refused a request.

    Attributes:
        status: the HTTP status.
        code: the error code of the protocol; None if the reply has none.
        reason: the message of the reply.
    """

    def __init__(self, server: str, status: int, code: int | None, reason: str) -> None:
        super().__init__(f"{server} replied {status}: {reason}")
        self.status = status
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Client:
    """A server and the keys for it.

    Attributes:
        server: the address of the server without a path, such as ``http://127.0.0.1:5000``.
        application: the application key (parameter `client`).
        user: the user key, for submissions.
    """

    server: str
    application: str = field(repr=False)
    user: str | None = field(default=None, repr=False)

    def post(self, path: str, form: Form) -> dict[str, Any]:
        """Send a form and return the reply. Retry after 429 and 503.

        Raises:
            RefusedError: the server refused the request.
            StackError: the server is unreachable, its address has no scheme, or a value is not
                valid UTF-8.
        """
        request = self._request(path, form)
        for _ in range(ATTEMPTS - 1):
            status, answer, pause = self._send(request)
            if status not in {429, 503}:
                return self._accepted(status, answer)
            time.sleep(min(pause, MAX_PAUSE))
        status, answer, _ = self._send(request)
        return self._accepted(status, answer)

    def _request(self, path: str, form: Form) -> Request:
        if not self.server.lower().startswith(("http://", "https://")):
            raise StackError(f"the server's address {self.server!r} needs http:// or https://")
        try:
            body = urlencode([("format", "json"), ("client", self.application), *form]).encode()
        except UnicodeEncodeError as error:
            raise StackError("a key or a value of the request is not valid UTF-8") from error
        return Request(  # noqa: S310 - the user gave the address
            self.server.rstrip("/") + path,
            data=gzip.compress(body, 1),
            headers={
                "Content-Encoding": "gzip",
                "Content-Type": "application/x-www-form-urlencoded",
                "User-Agent": "acoustid-cli",
            },
        )

    def _send(self, request: Request) -> tuple[int, Any, float]:
        try:
            with urlopen(request, timeout=TIMEOUT) as reply:  # noqa: S310 - as above
                return reply.status, json.load(reply), 0.0
        except HTTPError as error:
            pause = error.headers.get("Retry-After") or "1"
            return error.code, _json_or_none(error.read()), float(pause)
        except (URLError, HTTPException, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise StackError(f"{self.server} does not answer: {reason}") from error

    def _accepted(self, status: int, answer: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        if isinstance(answer, dict) and answer.get("status") == "ok":
            return answer
        error = answer.get("error", {}) if isinstance(answer, dict) else {}
        message = error.get("message", "not a reply of the AcoustID web service")
        raise RefusedError(self.server, status, error.get("code"), message)


def options(function: click.decorators.FC) -> click.decorators.FC:
    """Add the options that `connect` takes to a command."""
    for decorate in (
        click.option("--server", help="Address of a server.  [default: the stack in --data-dir]"),
        click.option("--client", "application", help="Application key.  [default: the demo key]"),
        data_directory.option,
    ):
        function = decorate(function)
    return function


def connect(
    server: str | None, application: str | None, data_dir: Path, user: str | None = None
) -> Client:
    """Return a client of the given server, or of the stack in `data_dir`.

    Raises:
        StackError: no server was given and no stack runs, or the application key is missing.
    """
    data = DataDir.at(data_dir)
    demo = Prepared.load(data.prepared).demo if server is None else None
    key = application or (demo.client if demo else None)
    if key is None:
        raise StackError("no application key: give one with --client")
    return Client(server or _running_server(data), key, user or (demo.user if demo else None))


def _running_server(data: DataDir) -> str:
    state = RunState.load(data) if data.is_locked() else None
    ports = [each.port for each in state.processes if each.role == "api"] if state else []
    if not ports:
        raise StackError(f"no stack runs on {data.root}: start one, or give a server with --server")
    return f"http://127.0.0.1:{ports[0]}"


def _json_or_none(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(body)
    except ValueError:
        return None


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSON-lines file of fingerprints, plain or compressed with gzip.

    Each has a `fingerprint`, and a `duration` in whole seconds.

    Raises:
        StackError: a line is not an object or lacks one of these; the text contains its number.
    """
    opened: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    found: list[dict[str, Any]] = []
    with opened(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            entry = _json_or_none(line.encode())
            if not isinstance(entry, dict):
                raise StackError(f"{path}, line {number}: not a JSON object")
            missing = [name for name in REQUIRED if entry.get(name) in (None, "")]
            if missing:
                raise StackError(f"{path}, line {number}: {', '.join(missing)} missing")
            seconds = whole_seconds(entry["duration"])
            if seconds is None:
                raise StackError(f"{path}, line {number}: duration must be {RANGE}")
            found.append({**entry, "duration": seconds})
    return found
