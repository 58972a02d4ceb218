"""Measures the index on a model of its content and prints the figures as JSON.

    python -m bench.index [--documents 100000] [--batch 1000]

The model: 120 distinct 28-bit terms a document, 30 % of them drawn from P(r) ~ 1 / (r + 600) over
2**20 ranks (sounds that many recordings share), the rest uniform. A query is a document of the
index with 30 % of its terms replaced by new ones from the same model. Times are CPU time of this
process, inserts by the clock, syncs and merges included.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.index import Insert, open_reader, open_writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipeline.index import IndexReader

TERMS = 120
RANKS = 1 << 20
BATCH_QUERIES = 100


@dataclass
class Model:
    """Draws documents and queries; document n is the same however often it is asked for."""

    seed: int

    def __post_init__(self) -> None:
        """Lay out the common terms and how often each is drawn."""
        generator = np.random.default_rng(self.seed)
        self._common = generator.choice(1 << 28, size=RANKS, replace=False).astype(np.uint32) << 4
        weights = 1.0 / (np.arange(RANKS) + 600.0)
        self._cumulative = np.cumsum(weights) / weights.sum()

    def draw(self, generator: np.random.Generator, count: int) -> NDArray[np.uint32]:
        """Draw `count` distinct terms, 30 % of them common, in no order."""
        common = round(0.3 * count)
        terms = np.empty(0, dtype=np.uint32)
        while terms.size < count:
            ranks = np.searchsorted(self._cumulative, generator.random(common))
            uniform = generator.integers(0, 1 << 28, count - common).astype(np.uint32) << 4
            terms = np.unique(np.concatenate([terms, self._common[ranks], uniform]))
        return generator.permutation(terms)[:count]

    def document(self, number: int) -> NDArray[np.uint32]:
        """Return the terms of a document."""
        return self.draw(np.random.default_rng((self.seed, number)), TERMS)

    def query(self, number: int) -> NDArray[np.uint32]:
        """Return a document's terms, 30 % of them replaced."""
        generator = np.random.default_rng((self.seed, number, 1))
        replaced = round(0.3 * TERMS)
        kept = generator.permutation(self.document(number))[replaced:]
        return np.concatenate([kept, self.draw(generator, replaced)])


def batches(model: Model, documents: int, size: int) -> Iterator[list[Insert]]:
    """Yield all documents, ids from 1, `size` at a time."""
    for first in range(0, documents, size):
        last = min(first + size, documents)
        yield [Insert(number + 1, model.document(number)) for number in range(first, last)]


def build(path: str, model: Model, documents: int, size: int) -> dict[str, float]:
    """Insert all documents and return the rates; drawing them is not counted."""
    clock = cpu = slowest = 0.0
    with open_writer(path) as writer:
        for batch in batches(model, documents, size):
            clock_start, cpu_start = time.perf_counter(), time.process_time()
            writer.apply(batch, batch[-1].id)
            took = time.perf_counter() - clock_start
            clock += took
            cpu += time.process_time() - cpu_start
            slowest = max(slowest, took)
    return {
        "inserts_per_second": round(documents / clock),
        "insert_cpu_us": round(1e6 * cpu / documents, 1),
        "slowest_batch_ms": round(1e3 * slowest),
    }


def search_cpu_us(reader: IndexReader, queries: list[NDArray[np.uint32]], size: int) -> float:
    """Return CPU microseconds a query, searching `size` at a time."""
    start = time.process_time()
    for first in range(0, len(queries), size):
        reader.search(queries[first : first + size])
    return round(1e6 * (time.process_time() - start) / len(queries), 1)


def measure(path: str, documents: int, size: int) -> dict[str, float]:
    """Build an index at `path` and return all figures."""
    model = Model(seed=1)
    rates = build(path, model, documents, size)
    chosen = np.random.default_rng(2).integers(0, documents, 1000).tolist()
    queries = [model.query(number) for number in chosen]
    with open_reader(path) as reader:
        first = [int(hits.ids[0]) - 1 for hits in reader.search(queries)]
        stats = reader.stats()
        return {
            "documents": stats.documents,
            "bytes_per_document": round(stats.bytes / stats.documents, 1),
            **rates,
            "segments": stats.segments,
            "found_first": sum(map(int.__eq__, first, chosen)) / len(chosen),
            "search_alone_cpu_us": search_cpu_us(reader, queries, 1),
            "search_batch_cpu_us": search_cpu_us(reader, queries, BATCH_QUERIES),
        }


def main() -> None:
    """Read the command line and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=1000, help="documents a commit")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as path:
        print(json.dumps(measure(path, arguments.documents, arguments.batch), indent=2))


if __name__ == "__main__":
    main()
