"""Searches an index of the model: exactly and within a budget, alone and in batches."""

from __future__ import annotations

import resource
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from bench.processes import forget_cached, memory
from pipeline.index import open_reader
from pipeline.index.warm_up import warm_up
from pipeline.rules import LOOKUP_MAX_POSTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bench.index.model import Model, Terms
    from pipeline.index import IndexReader

BATCH: Final = 100
QUERIES: Final = 2000
COLD: Final = 20
"""Searches of each kind before each of which the page cache is dropped."""
BUDGETS: Final = {"exact": None, "budget": LOOKUP_MAX_POSTINGS}


def search(path: Path, model: Model, documents: int) -> dict[str, Any]:
    """Return all figures of searches; `budget` is the most postings that lookups allow.

    Cold searches come first: before each the page cache forgets the index, and it is opened anew as
    part of the search. So they read from the disk, or from what lies behind a virtual one.
    """
    warm_up()
    ids, queries = model.queries(documents, QUERIES)
    figures: dict[str, Any] = {"max_postings": LOOKUP_MAX_POSTINGS, "cold": {}}
    for name, budget in BUDGETS.items():
        figures["cold"][name] = {
            "alone": _cold(path, queries, 1, budget),
            f"batch_{BATCH}": _cold(path, queries, BATCH, budget),
        }
    with open_reader(path) as reader:
        for name, budget in BUDGETS.items():
            found = _found_first(reader, ids, queries, budget)  # and warms the cache
            figures[name] = {
                "found_first": found,
                "alone": _warm(reader, queries, 1, budget),
                f"batch_{BATCH}": _warm(reader, queries, BATCH, budget),
            }
        figures["memory"] = memory()
    return figures


@dataclass
class _Times:
    """How long searches took.

    Attributes:
        wall: µs a query by the clock, one figure for each call.
        cpu: seconds of this process's CPU in all calls.
        blocks: of 512 bytes that were read from the disk.
        queries: how many were asked.
    """

    wall: list[float] = field(default_factory=list)
    cpu: float = 0.0
    blocks: int = 0
    queries: int = 0

    @contextmanager
    def count(self, queries: int) -> Iterator[None]:
        """Count what is done for some queries."""
        blocks, cpu, wall = _blocks(), time.process_time(), time.perf_counter()
        yield
        self.wall.append(1e6 * (time.perf_counter() - wall) / queries)
        self.cpu += time.process_time() - cpu
        self.blocks += _blocks() - blocks
        self.queries += queries

    def figures(self) -> dict[str, float]:
        """Return them by the query."""
        walls: NDArray[np.float64] = np.percentile(self.wall, (50, 99))
        return {
            "p50_us": round(float(walls[0]), 1),
            "p99_us": round(float(walls[1]), 1),
            "cpu_us": round(1e6 * self.cpu / self.queries, 1),
        }


def _warm(
    reader: IndexReader, queries: Sequence[Terms], size: int, budget: int | None
) -> dict[str, float]:
    times = _Times()
    for first in range(0, len(queries), size):
        batch = queries[first : first + size]
        with times.count(size):
            reader.search(batch, max_postings=budget)
    return times.figures()


def _cold(path: Path, queries: Sequence[Terms], size: int, budget: int | None) -> dict[str, float]:
    times = _Times()
    for first in range(0, COLD * size, size):
        batch = queries[first : first + size]
        forget_cached(path)
        with times.count(size), open_reader(path) as reader:
            reader.search(batch, max_postings=budget)
    return {**times.figures(), "kb_read": round(times.blocks / 2 / times.queries, 1)}


def _found_first(
    reader: IndexReader, ids: Sequence[int], queries: Sequence[Terms], budget: int | None
) -> float:
    """Return the share of queries that find the document they are made of before all others."""
    right = 0
    for first in range(0, len(queries), BATCH):
        hits = reader.search(queries[first : first + BATCH], max_postings=budget)
        wanted = ids[first : first + BATCH]
        right += sum(
            each.ids.size > 0 and int(each.ids[0]) == id_
            for each, id_ in zip(hits, wanted, strict=True)
        )
    return right / len(queries)


def _blocks() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_inblock
