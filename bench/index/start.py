"""How long a new process takes until it has opened an index and searched it."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from bench.processes import forget_cached

if TYPE_CHECKING:
    from pathlib import Path

    from bench.index.model import Model

STARTS: Final = 3
PROCESS: Final = "bench.index.ready"


def starts(path: Path, model: Model, documents: int) -> dict[str, Any]:
    """Return the medians of a few starts in ms, after the page cache forgot the index and not."""
    return {
        "cold": _median(path, model, documents, cold=True),
        "warm": _median(path, model, documents, cold=False),
    }


def _median(path: Path, model: Model, documents: int, *, cold: bool) -> dict[str, float]:
    _, queries = model.queries(documents, STARTS)
    found = []
    for query in queries:
        if cold:
            forget_cached(path)
        found.append(_start(path, query.tobytes()))
    return {name: round(statistics.median(each[name] for each in found), 1) for name in found[0]}


def _start(path: Path, query: bytes) -> dict[str, float]:
    command = [sys.executable, "-m", PROCESS, str(path)]
    begun = time.monotonic()  # of the whole system, so another process's can be compared with it
    told = subprocess.run(command, input=query, stdout=subprocess.PIPE, check=True).stdout
    moments = json.loads(told)
    return {
        "with_interpreter_ms": 1e3 * (moments["ready"] - begun),
        "ready_ms": 1e3 * (moments["ready"] - moments["opening"]),
        "writer_ms": 1e3 * (moments["written"] - moments["opening"]),
        "reader_ms": 1e3 * (moments["read"] - moments["written"]),
        "first_search_ms": 1e3 * (moments["ready"] - moments["read"]),
    }
