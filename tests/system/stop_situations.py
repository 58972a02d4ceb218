"""Servers in the situations in which a SIGTERM can come."""

import fcntl
import json
import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from types import MappingProxyType
from typing import Final

from cli.stack.servers.ports import LOOPBACK
from index_server.server import STOP_TIME
from tests.support.polling import eventually

START_TIME: Final = 60.0
"""Maximum time in seconds until a server answers."""

BOUND: Final = 5.0
"""Maximum time in seconds for a stop without a request that stays open."""

BOUND_WITH_OPEN_REQUEST: Final = STOP_TIME + 4.0
"""Maximum time in seconds for other stops. It is below 10 s, when Docker sends SIGKILL."""

CLIENTS: Final = 3
DOCUMENTS: Final = 200
TERMS: Final = 5000


@dataclass
class Server:
    """A server process with open connections of its clients.

    Attributes:
        opened: closes the connections at the end of the stop.
        ended: set when the process has ended.
    """

    process: subprocess.Popen[bytes]
    port: int
    line_port: int
    randomness: random.Random
    opened: ExitStack
    ended: threading.Event = field(default_factory=threading.Event)

    def connect(self, port: int) -> socket.socket:
        """Return a connection, open until the end of the stop."""
        return self.opened.enter_context(socket.create_connection((LOOPBACK, port), START_TIME))

    def request(self, method: str, path: str, body: object = None) -> HTTPConnection:
        """Send a request on a new connection, read the reply, and return the connection."""
        connection = HTTPConnection(LOOPBACK, self.port, timeout=START_TIME)
        self.opened.callback(connection.close)
        exchange(connection, method, path, body)
        return connection

    def send(self, method: str, path: str) -> None:
        """Send a request, and close its connection. A server that does not reply is accepted."""
        with suppress(TimeoutError), socket.create_connection((LOOPBACK, self.port), 3) as client:
            client.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            client.recv(4096)

    def answers(self) -> bool:
        """Return whether the server answers."""
        assert self.process.poll() is None
        try:
            self.request("GET", "/_health").close()
        except (OSError, HTTPException):
            return False
        return True


def exchange(connection: HTTPConnection, method: str, path: str, body: object = None) -> None:
    """Send a request, and read the reply."""
    text = None if body is None else json.dumps(body)
    connection.request(method, path, text, {"Content-Type": "application/json"} if text else {})
    reply = connection.getresponse()
    reply.read()
    assert reply.status == 200


def starting(server: Server) -> None:
    """Let the process start, for a random time."""
    time.sleep(server.randomness.uniform(0, 2.5))


def serving(server: Server) -> None:
    """Wait until the server answers."""
    eventually(server.answers, START_TIME)


def filled(server: Server) -> HTTPConnection:
    """Fill an index, and return the connection."""
    serving(server)
    connection = server.request("PUT", "/a")
    documents = [
        {"insert": {"id": number, "hashes": terms(server)}} for number in range(1, DOCUMENTS)
    ]
    exchange(connection, "POST", "/a/_update", {"changes": documents})
    return connection


def terms(server: Server) -> list[int]:
    """Return random terms."""
    return [server.randomness.randrange(TERMS) for _ in range(50)]


def keeping_alive(server: Server) -> None:
    """Keep a connection open after its requests."""
    filled(server)


def requesting(server: Server) -> None:
    """Send requests until the server is down, on kept connections and on new ones."""
    filled(server).close()
    for _ in range(CLIENTS):
        threading.Thread(target=send_requests, args=(server,), daemon=True).start()


def send_requests(server: Server) -> None:
    """Send searches and updates until the server has ended."""
    connection = HTTPConnection(LOOPBACK, server.port, timeout=START_TIME)
    with suppress(OSError, HTTPException):
        while not server.ended.is_set():
            exchange(connection, "POST", "/a/_search", {"query": terms(server)})
            if server.randomness.random() < 0.3:
                document = server.randomness.randrange(1, DOCUMENTS)
                exchange(connection, "PUT", f"/a/{document}", {"hashes": terms(server)})
            if server.randomness.random() < 0.5:
                connection.close()  # the next request opens a new connection
    connection.close()


def merging(server: Server) -> None:
    """Insert so much that the index merges its segments."""
    connection = filled(server)
    for number in range(15):
        documents = [
            {"insert": {"id": number * DOCUMENTS + each, "hashes": terms(server)}}
            for each in range(1, DOCUMENTS)
        ]
        exchange(connection, "POST", "/a/_update", {"changes": documents})


def half_headers(server: Server) -> None:
    """Leave a request without the end of its headers."""
    serving(server)
    server.connect(server.port).sendall(b"POST /a/_search HTTP/1.1\r\nHost: x\r\n")


def half_body(server: Server) -> None:
    """Leave a request without the end of its body."""
    serving(server)
    server.connect(server.port).sendall(
        b"POST /a/_search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000000\r\n\r\n{"
    )


def unread_replies(server: Server) -> None:
    """Ask for many snapshots, and read nothing."""
    filled(server)
    client = server.connect(server.port)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.sendall(b"GET /a/_snapshot HTTP/1.1\r\nHost: x\r\n\r\n" * 90)


def unread_log(server: Server) -> None:
    """Fill the pipe of the log, which nobody reads."""
    serving(server)
    assert server.process.stdout is not None
    fcntl.fcntl(server.process.stdout, fcntl.F_SETPIPE_SZ, 4096)  # the minimum
    for number in range(25):
        server.send("PUT", f"/{number}")
        server.send("DELETE", f"/{number}")


def line_protocol(server: Server) -> None:
    """Keep a connection of the line protocol open."""
    serving(server)
    client = server.connect(server.line_port)
    client.sendall(b"begin\ninsert 7 9\ncommit\n")
    assert client.recv(100)


SITUATIONS: Final[Mapping[Callable[[Server], object], float]] = MappingProxyType(
    {
        starting: BOUND,
        serving: BOUND,
        keeping_alive: BOUND,
        requesting: BOUND,
        merging: BOUND,
        half_headers: BOUND,
        unread_log: BOUND,
        line_protocol: BOUND,
        half_body: BOUND_WITH_OPEN_REQUEST,
        unread_replies: BOUND_WITH_OPEN_REQUEST,
    }
)
"""What a server does when the signal comes, with the maximum time for the stop in seconds."""
