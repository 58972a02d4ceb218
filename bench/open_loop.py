"""Sends requests at a given rate, whether or not the last ones are answered.

Who asks next only when answered asks less where the service is slow, and so never sees a queue:
its p99 flatters. Here arrivals are drawn beforehand (a Poisson process), and a latency counts from
the arrival, the wait for a free connection included.

Run as ``python -m bench.open_loop``, a process of its own; it prints what `bench.drivers.Load`
holds.
"""

import json
import select
import socket
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import urlsplit

import click
import numpy as np

PATIENCE: Final = 15.0  # seconds to wait for the last answers
RECEIVE: Final = 1 << 16  # bytes


class Queries:
    """The next lines of a query file, from the first again once the last has been asked."""

    def __init__(self, opened: BinaryIO, first: int, last: int) -> None:
        self._opened = opened
        self._first, self._last = first, last
        self._place = first
        self.asked = self.known = self.rounds = 0
        opened.seek(first)

    def next(self) -> bytes:
        """Return the body of the next request."""
        if self._place >= self._last:
            self._opened.seek(self._first)
            self._place = self._first
            self.rounds += 1
        line = self._opened.readline()
        self._place += len(line)
        self.asked += 1
        self.known += line.startswith(b"1")
        return line[1:-1]


@dataclass(eq=False)
class Connection:
    """One connection, with the request that is under way on it.

    Attributes:
        arrived: when that request should have been sent.
        received: what has come of its answer.
    """

    socket: socket.socket
    arrived: float = 0.0
    received: bytearray = field(default_factory=bytearray)

    def fileno(self) -> int:
        """Return what `select` looks at."""
        return self.socket.fileno()

    def receive(self) -> tuple[int, bytes] | None:
        """Return status and body of the answer once it is complete."""
        piece = self.socket.recv(RECEIVE)
        if not piece:
            raise ConnectionError("the server closed a connection")
        self.received += piece
        return parse_answer(bytes(self.received))


@dataclass
class Tally:
    """What has come back."""

    latencies: list[float] = field(default_factory=list)
    found: int = 0
    none: int = 0
    refused: int = 0

    def add(self, seconds: float, status: int, body: bytes) -> None:
        """Count an answer."""
        self.latencies.append(seconds)
        if status != 200:
            self.refused += 1
        elif b'"score"' in body:
            self.found += 1
        else:
            self.none += 1


def parse_answer(text: bytes) -> tuple[int, bytes] | None:
    """Return status and body of an HTTP answer, None while it is not complete.

    Raises:
        ValueError: it has no Content-Length, and so no end.
    """
    head, end, body = text.partition(b"\r\n\r\n")
    if not end:
        return None
    lines = head.lower().split(b"\r\n")
    length = next((line for line in lines if line.startswith(b"content-length:")), None)
    if length is None:
        raise ValueError("an answer without Content-Length")
    if len(body) < int(length.partition(b":")[2]):
        return None
    return int(lines[0].split()[1]), body


def arrivals(rate: float, seconds: float, seed: int = 1) -> Iterator[float]:
    """Yield when requests arrive, in seconds from the start, up to the end of the window."""
    random = np.random.default_rng(seed)
    now = 0.0
    for _ in count():
        now += float(random.exponential(1 / rate))
        if now >= seconds:
            return
        yield now


class OpenLoop:
    """The loop: sends what is due, collects what has come, and sleeps until either.

    Args:
        url: of the lookup.
        queries: what to ask.
        connections: most requests under way at the same time.
    """

    def __init__(self, url: str, queries: Queries, connections: int) -> None:
        parts = urlsplit(url)
        self._queries = queries
        self._head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: "
        ).encode()
        self._idle = [
            Connection(socket.create_connection((parts.hostname or "", parts.port or 80)))
            for _ in range(connections)
        ]
        for each in self._idle:
            each.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._busy: set[Connection] = set()
        self._late: deque[float] = deque()
        self.tally = Tally()

    def run(self, rate: float, seconds: float) -> None:
        """Send for some seconds, then wait for the last answers."""
        start = time.perf_counter()
        for due in arrivals(rate, seconds):
            self._wait_until(start + due)
            self._late.append(start + due)
            self._send_due()
        deadline = start + seconds + PATIENCE
        while (self._busy or self._late) and time.perf_counter() < deadline:
            self._collect(0.1)

    def unanswered(self) -> int:
        """Return how many requests have no answer."""
        return len(self._busy) + len(self._late)

    def _wait_until(self, moment: float) -> None:
        while (left := moment - time.perf_counter()) > 0:
            self._collect(left)

    def _send_due(self) -> None:
        while self._late and self._idle:
            connection = self._idle.pop()
            connection.arrived = self._late.popleft()
            connection.received.clear()
            body = self._queries.next()
            connection.socket.sendall(self._head + str(len(body)).encode() + b"\r\n\r\n" + body)
            self._busy.add(connection)

    def _collect(self, seconds: float) -> None:
        # `select` sleeps as short as it is told to, `epoll` in whole milliseconds.
        ready, _, _ = select.select(self._busy, (), (), seconds)
        for connection in ready:
            answer = connection.receive()
            if answer:
                self._busy.remove(connection)
                self._idle.append(connection)
                self.tally.add(time.perf_counter() - connection.arrived, *answer)
        self._send_due()


def summarise(loop: OpenLoop, queries: Queries, seconds: float) -> dict[str, Any]:
    """Return what `Load` holds, but for the CPU."""
    tally = loop.tally
    p50, p95, p99, most = np.percentile(tally.latencies or [0.0], [50, 95, 99, 100]) * 1000
    return {
        "requests": len(tally.latencies),
        "seconds": seconds,
        "asked": queries.asked,
        "known": queries.known,
        "rounds": queries.rounds,
        "found": tally.found,
        "none": tally.none,
        "refused": tally.refused,
        "errors": {"unanswered": loop.unanswered()},
        "latency_ms": {
            name: round(float(value), 3)
            for name, value in (("p50", p50), ("p95", p95), ("p99", p99), ("max", most))
        },
    }


@click.command()
@click.argument("url")
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("first", type=int)
@click.argument("last", type=int)
@click.option("--connections", type=click.IntRange(1), required=True)
@click.option("--seconds", type=float, required=True)
@click.option("--rate", type=float, required=True, help="Requests per second.")
def main(
    *, url: str, path: Path, first: int, last: int, connections: int, seconds: float, rate: float
) -> None:
    """Ask URL the queries of a file from one byte to another."""
    with path.open("rb") as opened:
        queries = Queries(opened, first, last)
        loop = OpenLoop(url, queries, connections)
        loop.run(rate, seconds)
    click.echo(json.dumps(summarise(loop, queries, seconds)))


if __name__ == "__main__":
    main()
