"""An HTTP client of the web service, for the commands in this folder."""

import gzip
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import click

from cli.commands.client.connection import Connection, Reply
from cli.commands.client.retries import Deadlines, WaitNotices, pause_of, seconds_text
from cli.commands.client.server_address import server_address
from cli.errors import StackError
from cli.printable import printable
from cli.stack import data_directory
from cli.stack.demo_keys import Demo, Prepared
from cli.stack.selection import ChosenStack, choose_own_stack

WAITING: Final[Mapping[int, str]] = {429: "limits the requests", 503: "is not available"}
"""What a server does whose reply has a status of `PATIENCE` and no message of the protocol."""

NO_KEY: Final = (
    "no application key: give one with --client; "
    "`acoustid keys create --application NAME` creates one"
)

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
        self.args = (server, status, code, reason)
        self.status = status
        self.code = code
        self.reason = reason


class UnexpectedReplyError(StackError):
    """A reply has not the form that the protocol defines.

    Args:
        server: the address of the server; `named_errors` adds it.
    """

    def __init__(self, server: str = "the server") -> None:
        super().__init__(
            f"the reply of {server} is not one of the AcoustID web service: check --server"
        )
        self.args = (server,)


@dataclass(frozen=True, slots=True)
class Client:
    """A server and the keys for it. Several threads may use it.

    Attributes:
        server: the address of the server without the path of an endpoint, such as
            ``http://127.0.0.1:5000``.
        application: the application key (parameter `client`).
        user: the user key, for submissions.
        connection: the connections to the server.
        notices: tells the waits.

    Raises:
        StackError: the address of the server is not valid.
    """

    server: str
    application: str = field(repr=False)
    user: str | None = field(default=None, repr=False)
    connection: Connection = field(init=False, repr=False, compare=False)
    notices: WaitNotices = field(init=False, repr=False, compare=False, default_factory=WaitNotices)

    def __post_init__(self) -> None:
        object.__setattr__(self, "server", server_address(self.server))
        object.__setattr__(self, "connection", Connection(self.server))

    def post(self, path: str, form: Form) -> dict[str, Any]:
        """Send a form and return the reply. Retry after 429 and 503, and tell each wait.

        Raises:
            RefusedError: the server refused the request.
            StackError: the server is unreachable, or a value is not valid UTF-8.
        """
        try:
            body = urlencode([("format", "json"), ("client", self.application), *form]).encode()
        except UnicodeEncodeError as error:
            raise StackError("a key or a value of the request is not valid UTF-8") from error
        body = gzip.compress(body, 1)
        deadlines = Deadlines()
        while True:
            deadlines.start_attempt()
            reply = self.connection.post(path, body)
            if reply.status not in WAITING:
                return self._accepted(reply)
            pause = pause_of(reply.retry_after)
            if not deadlines.permit(reply.status, pause):
                asked = f"; it asks to wait {seconds_text(pause)}" if reply.retry_after else ""
                raise self._refused(reply, asked)
            self._tell_wait(reply, pause)
            time.sleep(pause)

    def _tell_wait(self, reply: Reply, pause: float) -> None:
        """Tell that the server asks to wait, or that a proxy reaches no server."""
        if _error(reply).get("message"):
            message = _message(reply)
            self.notices.tell(
                f"{reply.status} {message}",
                f"the server asks to wait {seconds_text(pause)}: {message}",
            )
        else:
            text = f"{self.server} {WAITING[reply.status]} ({reply.status}), trying again"
            self.notices.tell(text, text)

    def _accepted(self, reply: Reply) -> dict[str, Any]:
        answer = _json_or_none(reply.body)
        if reply.status == 200 and isinstance(answer, dict) and answer.get("status") == "ok":
            return answer
        raise self._refused(reply)

    def _refused(self, reply: Reply, more: str = "") -> RefusedError:
        code = _error(reply).get("code")
        known = code if isinstance(code, int) else None
        return RefusedError(self.server, reply.status, known, _message(reply) + more)


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
    """Return a client of the given server, or of the stack that the command uses.

    Raises:
        NoStackError: no server was given and no stack runs.
        StackError: the application key is missing, or the address of the server is not valid.
    """
    if server is not None:
        if application is None:
            raise StackError(NO_KEY)
        return Client(server, application, user)
    stack = choose_own_stack(data_dir)
    address = stack.front_end()
    demo = _demo_keys(stack) if application is None or user is None else None
    key = application or (demo.client if demo else None)
    if key is None:
        raise StackError(NO_KEY)
    return Client(address, key, user or (demo.user if demo else None))


@contextmanager
def named_errors(client: Client) -> Iterator[None]:
    """Name the server in each `UnexpectedReplyError` of the block.

    Raises:
        UnexpectedReplyError: a reply has not the form that the protocol defines.
    """
    try:
        yield
    except UnexpectedReplyError as error:
        raise UnexpectedReplyError(client.server) from error


def place_of(client: Client, server: str | None, data_dir: Path) -> str:
    """Return a name of the server that stays the same if its stack gets another port."""
    data = None if server is not None else choose_own_stack(data_dir).data
    return str(data.root) if data else client.server


def _demo_keys(stack: ChosenStack) -> Demo | None:
    return Prepared.load(stack.data.prepared).demo if stack.data else None


def list_of(reply: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects of a list in a reply.

    Raises:
        UnexpectedReplyError: the reply has no such list.
    """
    found = reply.get(name)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise UnexpectedReplyError
    return found


def number_of(item: Mapping[str, Any], name: str) -> int:
    """Return a number of an item of a reply.

    Raises:
        UnexpectedReplyError: the item has no such number.
    """
    found = item.get(name)
    if not isinstance(found, int):
        raise UnexpectedReplyError
    return found


def index_of(item: Mapping[str, Any]) -> int:
    """Return the suffix of the parameters of an item of a reply.

    Raises:
        UnexpectedReplyError: the item has none.
    """
    found = str(item.get("index"))
    if not (found.isascii() and found.isdigit() and len(found) < 19):
        raise UnexpectedReplyError
    return int(found)


def given_reason(text: object) -> str:
    """Return the reason that a reply gives, or a text that it gives none."""
    return printable(text) if text else "the server gives no reason"


def _message(reply: Reply) -> str:
    message = _error(reply).get("message")
    if message:
        return printable(message)
    if reply.location:
        return f"it redirects to {reply.location}; give that server with --server"
    if reply.status in WAITING:
        return f"it {WAITING[reply.status]}, and the reply has no reason; try again later"
    if reply.status >= 500:
        return "it has failed, or a proxy in front of it; try again later"
    return "not a reply of the AcoustID web service; check --server"


def _error(reply: Reply) -> Mapping[str, Any]:
    answer = _json_or_none(reply.body)
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, dict) else {}


def _json_or_none(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
