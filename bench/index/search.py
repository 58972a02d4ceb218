"""Measures searches: exact and with a limit of postings, single and in batches."""

from __future__ import annotations

import resource
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from bench.measuring import drop_page_cache, memory
from pipeline.index import open_reader
from pipeline.index.warm_up import warm_up

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bench.index.model import Model, Terms
    from pipeline.index import IndexReader

BATCH: Final = 100
QUERIES: Final = 2000
COLD: Final = 20
"""Number of cold searches of each kind."""
MAX_POSTINGS: Final = 10_000
"""The limit of postings that exact searches are compared with."""
LIMITS: Final = {"exact": None, "limited": MAX_POSTINGS}


def measure_searches(path: Path, model: Model, documents: int) -> dict[str, Any]:
    """Return all figures of searches. ``limited`` ones have a limit of `MAX_POSTINGS` postings.

    Cold searches come first. Before each one the index is dropped from the page cache. Opening the
    index is part of a cold search, which reads from the disk.
    """
    warm_up()
    ids, queries = model.queries(documents, QUERIES)
    figures: dict[str, Any] = {"max_postings": MAX_POSTINGS, "cold": {}}
    for name, limit in LIMITS.items():
        figures["cold"][name] = {
            "alone": _cold(path, queries, 1, limit),
            f"batch_{BATCH}": _cold(path, queries, BATCH, limit),
        }
    with open_reader(path) as reader:
        for name, limit in LIMITS.items():
            found = _found_first(reader, ids, queries, limit)  # also fills the page cache
            figures[name] = {
                "found_first": found,
                "alone": _warm(reader, queries, 1, limit),
                f"batch_{BATCH}": _warm(reader, queries, BATCH, limit),
            }
        figures["memory"] = memory()
    return figures


@dataclass
class _SearchTimes:
    """Times of searches.

    Attributes:
        wall: elapsed µs per query of each call.
        cpu: CPU seconds of this process in all calls.
        blocks: the number of blocks of 512 bytes read from the disk.
        queries: the number of queries.
    """

    wall: list[float] = field(default_factory=list)
    cpu: float = 0.0
    blocks: int = 0
    queries: int = 0

    @contextmanager
    def count(self, queries: int) -> Iterator[None]:
        """Measure the block, which searches for some queries."""
        blocks, cpu, wall = _blocks(), time.process_time(), time.perf_counter()
        yield
        self.wall.append(1e6 * (time.perf_counter() - wall) / queries)
        self.cpu += time.process_time() - cpu
        self.blocks += _blocks() - blocks
        self.queries += queries

    def figures(self) -> dict[str, float]:
        """Return the times per query."""
        walls: NDArray[np.float64] = np.percentile(self.wall, (50, 99))
        return {
            "p50_us": round(float(walls[0]), 1),
            "p99_us": round(float(walls[1]), 1),
            "cpu_us": round(1e6 * self.cpu / self.queries, 1),
        }


def _warm(
    reader: IndexReader, queries: Sequence[Terms], size: int, max_postings: int | None
) -> dict[str, float]:
    times = _SearchTimes()
    for first in range(0, len(queries), size):
        batch = queries[first : first + size]
        with times.count(size):
            reader.search(batch, max_postings=max_postings)
    return times.figures()


def _cold(
    path: Path, queries: Sequence[Terms], size: int, max_postings: int | None
) -> dict[str, float]:
    times = _SearchTimes()
    for first in range(0, COLD * size, size):
        batch = queries[first : first + size]
        drop_page_cache(path)
        with times.count(size), open_reader(path) as reader:
            reader.search(batch, max_postings=max_postings)
    return {**times.figures(), "kb_read": round(times.blocks / 2 / times.queries, 1)}


def _found_first(
    reader: IndexReader, ids: Sequence[int], queries: Sequence[Terms], max_postings: int | None
) -> float:
    """Return the share of queries whose first hit is their source document."""
    right = 0
    for first in range(0, len(queries), BATCH):
        hits = reader.search(queries[first : first + BATCH], max_postings=max_postings)
        wanted = ids[first : first + BATCH]
        right += sum(
            each.ids.size > 0 and int(each.ids[0]) == id_
            for each, id_ in zip(hits, wanted, strict=True)
        )
    return right / len(queries)


def _blocks() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_inblock
