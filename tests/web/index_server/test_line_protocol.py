"""The line protocol over TCP."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from index_server.line_protocol import server as line_server
from index_server.line_protocol.server import MAX_LINE, LineProtocolServer
from index_server.line_protocol.session import LineProtocolSession
from index_server.registry import IndexRegistry


class Client:
    """A connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def line(self) -> bytes:
        """Return the next line, empty at the end."""
        return self.file.readline()

    def run(self, command: str) -> str:
        """Send a command and return the reply."""
        self.send(f"{command}\r\n".encode())
        return self.line().decode().removesuffix("\r\n")

    def close(self) -> None:
        """Close the connection."""
        self.file.close()
        self.socket.close()


@pytest.fixture
def server(indexes: IndexRegistry) -> Iterator[LineProtocolServer]:
    """A server for the index `main`."""
    server = LineProtocolServer(indexes, "main", ("127.0.0.1", 0))
    yield server
    server.close()


@pytest.fixture
def connect(server: LineProtocolServer) -> Iterator[Callable[[], Client]]:
    """Return a function that connects."""
    clients: list[Client] = []

    def make() -> Client:
        clients.append(Client(server.port))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


Connect = Callable[[], Client]


def test_the_index_is_created(server: LineProtocolServer, indexes: IndexRegistry) -> None:
    assert server.port
    assert indexes.get("main").version() == 0


def test_a_commit_is_visible_to_other_connections(connect: Connect) -> None:
    one, other = connect(), connect()
    for command in ("begin", "insert 1001 11000,-12000", "commit"):
        assert one.run(command) == "OK "
    assert other.run("search 11000,-12000") == "OK 1001:2"


def test_a_transaction_ends_with_its_connection(connect: Connect) -> None:
    one = connect()
    one.run("begin")
    one.run("insert 1 5")
    one.close()
    other = connect()
    assert other.run("search 5") == "OK "
    assert other.run("commit") == "ERR not in transaction"


def test_settings_belong_to_one_connection(connect: Connect) -> None:
    one, other = connect(), connect()
    assert one.run("set max_results 7") == "OK "
    assert (one.run("get max_results"), other.run("get max_results")) == ("OK 7", "OK 500")


def test_lines_end_in_lf_or_crlf_and_may_be_pipelined(connect: Connect) -> None:
    client = connect()
    client.send(b"echo a\necho b\r\n\r\n")
    assert [client.line() for _ in range(3)] == [b"OK a\r\n", b"OK b\r\n", b"OK \r\n"]


def test_echo_returns_the_same_bytes(connect: Connect) -> None:
    client = connect()
    client.send(b"echo \xff\xc3\xa4\r\n")
    assert client.line() == b"OK \xff\xc3\xa4\r\n"


def test_quit_is_acknowledged(connect: Connect) -> None:
    client = connect()
    assert client.run("quit now") == "OK "
    assert client.line() == b""


def test_a_line_has_256_kib_at_most(connect: Connect) -> None:
    client = connect()
    longest = b"echo ".ljust(MAX_LINE - 1, b"a") + b"\n"
    client.send(longest)
    assert len(client.line()) == len(b"OK ") + len(longest) - len("echo ") + 1
    client.send(b"a" * (MAX_LINE + 1))
    assert client.line() == b"ERR line too long\r\n"
    assert client.line() == b""


def test_an_idle_connection_is_closed(connect: Connect) -> None:
    client = connect()
    assert client.run("set idle_timeout 1") == "OK "
    assert client.line() == b"ERR timeout\r\n"
    assert client.line() == b""


def test_the_number_of_connections_is_limited(
    indexes: IndexRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A closed connection does not count."""
    monkeypatch.setattr(line_server, "MAX_CONNECTIONS", 1)
    server = LineProtocolServer(indexes, "main", ("127.0.0.1", 0))
    first, second = Client(server.port), Client(server.port)
    assert first.run("echo") == "OK "
    assert second.line() == b"ERR too many connections\r\n"
    assert second.line() == b""
    assert first.run("quit") == "OK "
    assert first.line() == b""
    for _ in range(1000):
        third = Client(server.port)
        try:
            answer = third.run("echo")
        except ConnectionError:  # refused before the command was read
            answer = "ERR too many connections"
        if answer == "OK ":
            break
        assert answer == "ERR too many connections"
        third.close()
    else:
        pytest.fail("the connection that has ended is still counted")
    for client in (first, second, third):
        client.close()
    server.close()


def test_a_close_answers_the_command_in_progress_and_ends_all_connections(
    indexes: IndexRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, end = threading.Event(), threading.Event()
    answer = LineProtocolSession.answer

    def slow_answer(session: LineProtocolSession, line: str) -> str:
        begun.set()
        assert end.wait(30)
        return answer(session, line)

    server = LineProtocolServer(indexes, "main", ("127.0.0.1", 0))
    busy, idle = Client(server.port), Client(server.port)
    # A connection that the server has not accepted yet is reset when the listening socket closes.
    assert idle.run("echo") == "OK "
    monkeypatch.setattr(LineProtocolSession, "answer", slow_answer)
    busy.send(b"begin\nbegin\n")
    assert begun.wait(30)
    threading.Timer(0.3, end.set).start()
    server.close()
    assert [busy.line(), busy.line()] == [b"OK \r\n", b""]
    assert idle.line() == b""
    busy.close()
    idle.close()


def test_a_close_does_not_wait_for_a_long_command(
    indexes: IndexRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_server, "CLOSE_TIMEOUT", 0.1)
    begun, end = threading.Event(), threading.Event()

    def endless(_session: LineProtocolSession, _line: str) -> str:
        begun.set()
        assert end.wait(30)
        return "OK "

    monkeypatch.setattr(LineProtocolSession, "answer", endless)
    server = LineProtocolServer(indexes, "main", ("127.0.0.1", 0))
    client = Client(server.port)
    client.send(b"begin\n")
    assert begun.wait(30)
    server.close()
    assert not end.is_set()
    end.set()
    assert client.line() == b"OK \r\n"
    client.close()
