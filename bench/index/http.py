"""Measures the same inserts and searches embedded and over HTTP, in one run.

The server is a process of its own, started by `acoustid index serve`. The client is the one that
front ends use. Bodies are in MessagePack.
"""

from __future__ import annotations

import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import psutil

from bench.index.build import build, draw
from bench.index.model import TERMS
from bench.index.server import IndexServer
from bench.measuring import in_new_process
from cli.errors import StackError
from cli.stack.servers.ports import LOOPBACK
from index_server.state import FIRST_GENERATION, engine_folder
from pipeline.index import Insert, open_reader
from pipeline.index.warm_up import warm_up
from pipeline.index_http.client import IndexServerClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.index.model import Model, Terms

SERVED: Final = "served"
INDEX: Final = "main"
CONNECTIONS: Final = 4
"""Number of connections that search at the same time. One connection inserts."""

QUERIES: Final = 2000
ROUNDS: Final = 3
"""Number of times that both kinds of searches are measured, in turns; the medians count."""

LIMITS: Final = (40, 6, 10)  # hits, minimum score, percentage of the best score
TIMEOUT: Final = 10.0  # seconds of a request
IDLE_SPAN, IDLE_CPU = 0.5, 0.02
"""A server that uses at most this many seconds of CPU time in this many seconds is not merging."""


def measure_http(
    folder: Path, model: Model, documents: int, size: int, queries: int = QUERIES
) -> dict[str, Any]:
    """Return the figures per document inserted and per search, embedded and over HTTP.

    Args:
        folder: receives a temporary folder with two indexes.
        model: the documents and queries.
        documents: the number of documents of each index.
        size: the number of documents per commit and per request.
        queries: the number of searches of each kind in a round.
    """
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        directory = Path(temporary)
        built = in_new_process(build, directory / "embedded", model, documents, size)
        with _running_server(directory) as (pid, port):
            work = model, documents, size, queries
            over_http, searched = in_new_process(_use_server, directory, (pid, port), *work)
    return {
        "connections": CONNECTIONS,
        "insert": {
            "embedded": {
                "cpu_us": built["cpu_us_per_insert"],
                "per_second": built["inserts_per_second"],
            },
            "http": over_http,
        },
        "search": searched,
    }


@dataclass
class _Costs:
    """Costs of pieces of work.

    Attributes:
        server: the server process; None for embedded calls.
        figures: one row for each piece of work: CPU µs of this process and of the server, both per
            unit, and units per second.
    """

    server: psutil.Process | None = None
    figures: list[tuple[float, float, float]] = field(default_factory=list)

    def measure(self, units: int, work: Callable[[], None], *, merges: bool = False) -> None:
        """Measure a piece of work of some units.

        Args:
            units: the number of documents or searches.
            work: the work.
            merges: whether the CPU time of the server includes merges that end later.
        """
        cpu, server, start = time.process_time(), self._server_time(), time.perf_counter()
        work()
        elapsed = time.perf_counter() - start
        cpu = time.process_time() - cpu
        if merges:
            self._await_idle_server()
        server = self._server_time() - server
        self.figures.append((1e6 * cpu / units, 1e6 * server / units, units / elapsed))

    def medians(self) -> dict[str, float]:
        """Return the medians by name."""
        own, server, rate = np.median(np.array(self.figures), axis=0)
        if self.server is None:
            return {"cpu_us": round(float(own), 1), "per_second": round(float(rate))}
        return {
            "server_cpu_us": round(float(server), 1),
            "client_cpu_us": round(float(own), 1),
            "per_second": round(float(rate)),
        }

    def _server_time(self) -> float:
        """Return the CPU seconds of the server since its start."""
        if self.server is None:
            return 0.0
        times = self.server.cpu_times()
        return times.user + times.system

    def _await_idle_server(self) -> None:
        last, now = -1.0, self._server_time()
        while now - last > IDLE_CPU:
            time.sleep(IDLE_SPAN)
            last, now = now, self._server_time()


def _use_server(
    directory: Path, server: tuple[int, int], model: Model, documents: int, size: int, queries: int
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Fill the index of the server, then search it. Return the figures of both."""
    drawn = directory / "documents"
    draw(drawn, model, 0, documents)
    inserted = _insert(drawn, size, server)
    drawn.unlink()
    served = engine_folder(directory / SERVED / INDEX, FIRST_GENERATION)
    return inserted, _search(served, model.queries(documents, queries)[1], server)


def _insert(drawn: Path, size: int, server: tuple[int, int]) -> dict[str, float]:
    """Insert all drawn documents, `size` per request. The rate excludes the last merges."""
    rows = np.memmap(drawn, dtype=np.uint32, mode="r").reshape(-1, TERMS)
    pid, port = server
    client = IndexServerClient(LOOPBACK, port, INDEX)
    client.create(TIMEOUT)

    def insert() -> None:
        for version, start in enumerate(range(0, len(rows), size)):
            batch = rows[start : start + size]
            inserts = [Insert(start + place + 1, row) for place, row in enumerate(batch)]
            client.update(inserts, {}, version, TIMEOUT)

    costs = _Costs(psutil.Process(pid))
    costs.measure(len(rows), insert, merges=True)
    client.close()
    return costs.medians()


def _search(
    path: Path, queries: Sequence[Terms], server: tuple[int, int]
) -> dict[str, dict[str, float]]:
    """Search the server's index embedded and over HTTP, in turns."""
    warm_up()
    pid, port = server
    embedded, http = _Costs(), _Costs(psutil.Process(pid))
    clients = [IndexServerClient(LOOPBACK, port, INDEX) for _ in range(CONNECTIONS)]
    with open_reader(path) as reader:
        limit, min_score, score_pct = LIMITS

        def search_embedded() -> None:
            for query in queries:
                reader.search([query], limit=limit, min_score=min_score, score_pct=score_pct)

        search_embedded()
        _search_over_http(clients, queries)
        for _ in range(ROUNDS):
            embedded.measure(len(queries), search_embedded)
            http.measure(len(queries), lambda: _search_over_http(clients, queries))
    for client in clients:
        client.close()
    return {"embedded": embedded.medians(), "http": http.medians()}


def _search_over_http(clients: Sequence[IndexServerClient], queries: Sequence[Terms]) -> None:
    """Send the queries, some over each connection.

    Raises:
        StackError: a search has failed.
    """
    answered: list[int] = []

    def search(client: IndexServerClient, share: Sequence[Terms]) -> None:
        for query in share:
            client.search(query, LIMITS, TIMEOUT)
        answered.append(len(share))

    threads = [
        threading.Thread(target=search, args=(client, queries[place :: len(clients)]))
        for place, client in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if sum(answered) != len(queries):
        raise StackError("a search over HTTP has failed; the message above has the reason")


@contextmanager
def _running_server(directory: Path) -> Iterator[tuple[int, int]]:
    """Run an index server during the block; provide its pid and its port.

    Raises:
        StackError: it does not start.
    """
    server = IndexServer(directory / SERVED, "--log-level", "ERROR")
    try:
        server.start()
        yield server.pid, server.port
    finally:
        server.kill()
