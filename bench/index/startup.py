"""Measures the time in which a new process opens an index and searches it.

The new process is this module: ``python -m bench.index.startup PATH < TERMS``. It prints times of
the system's monotonic clock, which is the same in both processes.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from bench.measuring import drop_page_cache
from pipeline.index import open_reader, open_writer

if TYPE_CHECKING:
    from pathlib import Path

    from bench.index.model import Model

STARTS: Final = 3
PROCESS: Final = "bench.index.startup"


def measure_startup(path: Path, model: Model, documents: int) -> dict[str, Any]:
    """Return the medians of some starts in ms, with cold and with warm page cache."""
    return {
        "cold": _median(path, model, documents, cold=True),
        "warm": _median(path, model, documents, cold=False),
    }


def _median(path: Path, model: Model, documents: int, *, cold: bool) -> dict[str, float]:
    _, queries = model.queries(documents, STARTS)
    found = []
    for query in queries:
        if cold:
            drop_page_cache(path)
        found.append(_start(path, query.tobytes()))
    return {name: round(statistics.median(each[name] for each in found), 1) for name in found[0]}


def _start(path: Path, query: bytes) -> dict[str, float]:
    command = [sys.executable, "-m", PROCESS, str(path)]
    begun = time.monotonic()  # the same clock in all processes
    output = subprocess.run(command, input=query, stdout=subprocess.PIPE, check=True).stdout
    times = json.loads(output)
    return {
        "with_interpreter_ms": 1e3 * (times["ready"] - begun),
        "ready_ms": 1e3 * (times["ready"] - times["opening"]),
        "writer_ms": 1e3 * (times["written"] - times["opening"]),
        "reader_ms": 1e3 * (times["read"] - times["written"]),
        "first_search_ms": 1e3 * (times["ready"] - times["read"]),
    }


def open_and_search(path: str) -> None:
    """Read the terms of a query, uint32, from standard input, and print times in seconds."""
    query = np.frombuffer(sys.stdin.buffer.read(), dtype=np.uint32)
    times = {"opening": time.monotonic()}
    with open_writer(path):
        times["written"] = time.monotonic()
        with open_reader(path) as reader:
            times["read"] = time.monotonic()
            [hits] = reader.search([query])
            times["ready"] = time.monotonic()
    if not hits.ids.size:
        raise SystemExit("the query found nothing")
    print(json.dumps(times))


if __name__ == "__main__":
    open_and_search(sys.argv[1])
