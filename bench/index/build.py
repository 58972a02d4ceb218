"""Builds an index of the model's documents and measures it."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from bench.index.model import BLOCK, TERMS
from bench.measuring import in_new_process, memory
from pipeline.index import Insert, open_reader, open_writer
from pipeline.index.warm_up import warm_up
from pipeline.storage.format import LOCK_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.index.model import Model, Terms

FIGURES: Final = "bench"
"""Metadata key under which a complete index stores the figures of its build."""


def draw(path: Path, model: Model, first: int, documents: int) -> None:
    """Write the terms of documents `first` to `documents` - 1 into a file, uint32."""
    with path.open("wb") as file:
        for start in range(first, documents, BLOCK):
            model.documents(start, min(start + BLOCK, documents)).tofile(file)
        os.fsync(file.fileno())  # otherwise commits wait for these bytes


def build(path: Path, model: Model, documents: int, size: int) -> dict[str, Any]:
    """Insert all documents, `size` per commit. Return the figures.

    If the index is complete already, return its stored figures. Another process draws the
    documents before the measurement. The measurement is from the first insert to the end of the
    last merge; CPU time is that of this process.
    """
    stored = _figures(path, documents)
    if stored is not None:
        return {**stored, "built_before": True}
    warm_up()
    times = _WriterTimes()
    drawn = path.parent / f"{path.name}.documents"
    with open_writer(path, merged=times.merges.append) as writer:
        first = writer.position()
        in_new_process(draw, drawn, model, first, documents)
        rows = np.memmap(drawn, dtype=np.uint32, mode="r").reshape(-1, TERMS)
        drawn.unlink()  # the mapping keeps the content
        before, start, cpu_start = memory(), time.perf_counter(), time.process_time()
        for batch in _batches(rows, first, size):
            times.commit(partial(writer.apply, batch, batch[-1].id))
        writer.finish_merges()
        elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu_start
        figures = {
            "inserts_per_second": round((documents - first) / elapsed),
            "cpu_us_per_insert": round(1e6 * cpu / (documents - first), 1),
            "slowest_commit_ms": round(1e3 * times.slowest, 1),
            "merges": len(times.merges),
            "slowest_merge_s": round(max(times.merges, default=0.0), 2),
            "memory_before": before,
            "memory": {**memory(), "anonymous_mb": times.anonymous_mb},
        }
        writer.apply([], documents, metadata={FIGURES: json.dumps(figures)})
    return figures


def link_index(path: Path, copy: Path) -> None:
    """Copy an index by hard links. Its files are replaced, never changed."""
    for file in path.iterdir():
        if file.name != LOCK_NAME:
            os.link(file, copy / file.name)


def _batches(rows: Terms, first: int, size: int) -> Iterator[list[Insert]]:
    for start in range(0, len(rows), size):
        terms = np.array(rows[start : start + size])
        yield [Insert(first + start + place + 1, row) for place, row in enumerate(terms)]


@dataclass
class _WriterTimes:
    """Times of a writer in seconds, and its memory.

    Attributes:
        slowest: the longest commit.
        merges: each merge.
        anonymous_mb: maximum private memory of the process after a commit, in MB.
    """

    slowest: float = 0.0
    merges: list[float] = field(default_factory=list)
    anonymous_mb: float = 0.0

    def commit(self, call: Callable[[], None]) -> None:
        """Run a commit and store its time and the memory after it."""
        start = time.perf_counter()
        call()
        self.slowest = max(self.slowest, time.perf_counter() - start)
        self.anonymous_mb = max(self.anonymous_mb, memory()["anonymous_mb"])


def _figures(path: Path, documents: int) -> dict[str, Any] | None:
    """Return the stored figures of an index; None if it is not complete."""
    with open_reader(path) as reader:
        if reader.position() != documents:
            return None
        figures: dict[str, Any] = json.loads(reader.metadata().get(FIGURES, "{}"))
    return figures
