"""Builds an index of the model's documents and tells what that took."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from bench.index.model import BLOCK, TERMS
from bench.processes import in_new_process, memory
from pipeline.index import Insert, open_reader, open_writer
from pipeline.index.warm_up import warm_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.index.model import Model, Terms

FIGURES: Final = "bench"
"""Under this name an index that is complete keeps what building it took."""


def draw(path: Path, model: Model, first: int, documents: int) -> None:
    """Write the terms of the model's documents from `first` on into a file, uint32."""
    with path.open("wb") as file:
        for start in range(first, documents, BLOCK):
            model.documents(start, min(start + BLOCK, documents)).tofile(file)
        os.fsync(file.fileno())  # commits must not wait for these bytes


def build(path: Path, model: Model, documents: int, size: int) -> dict[str, Any]:
    """Insert all documents, `size` a commit, or return the figures of an index that has them.

    The documents are drawn by another process beforehand, so that nothing else is measured: the
    clock runs from the first insert until the last merge is done, CPU time is all that this
    process used meanwhile.
    """
    kept = _figures(path, documents)
    if kept is not None:
        return {**kept, "built_before": True}
    warm_up()
    clock = _Clock()
    drawn = path.parent / f"{path.name}.documents"
    with open_writer(path, merged=clock.merges.append) as writer:
        first = writer.position()
        in_new_process(draw, drawn, model, first, documents)
        rows = np.memmap(drawn, dtype=np.uint32, mode="r").reshape(-1, TERMS)
        drawn.unlink()  # the mapping keeps it as long as it is needed
        before, start, cpu_start = memory(), time.perf_counter(), time.process_time()
        for batch in _batches(rows, first, size):
            clock.commit(partial(writer.apply, batch, batch[-1].id))
        writer.finish_merges()
        elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu_start
        figures = {
            "inserts_per_second": round((documents - first) / elapsed),
            "cpu_us_per_insert": round(1e6 * cpu / (documents - first), 1),
            "slowest_commit_ms": round(1e3 * clock.slowest, 1),
            "merges": len(clock.merges),
            "slowest_merge_s": round(max(clock.merges, default=0.0), 2),
            "memory_before": before,
            "memory": {**memory(), "anonymous_mb": clock.anonymous_mb},
        }
        writer.apply([], documents, metadata={FIGURES: json.dumps(figures)})
    return figures


def _batches(rows: Terms, first: int, size: int) -> Iterator[list[Insert]]:
    for start in range(0, len(rows), size):
        terms = np.array(rows[start : start + size])
        yield [Insert(first + start + place + 1, row) for place, row in enumerate(terms)]


@dataclass
class _Clock:
    """What calls of a writer cost; times in seconds.

    Attributes:
        slowest: in the longest commit.
        merges: in each merge.
        anonymous_mb: most memory that the process had for itself after a commit.
    """

    slowest: float = 0.0
    merges: list[float] = field(default_factory=list)
    anonymous_mb: float = 0.0

    def commit(self, call: Callable[[], None]) -> None:
        """Commit, and look at the memory."""
        start = time.perf_counter()
        call()
        self.slowest = max(self.slowest, time.perf_counter() - start)
        self.anonymous_mb = max(self.anonymous_mb, memory()["anonymous_mb"])


def _figures(path: Path, documents: int) -> dict[str, Any] | None:
    """Return what an index that holds all documents keeps of its building, if it is there."""
    with open_reader(path) as reader:
        if reader.position() != documents:
            return None
        figures: dict[str, Any] = json.loads(reader.metadata().get(FIGURES, "{}"))
    return figures
