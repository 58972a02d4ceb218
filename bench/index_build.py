"""Builds an index of the model's documents and tells what that took."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from bench.processes import memory
from pipeline.index import open_reader, open_writer
from pipeline.index.warm_up import warm_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.index_model import Model
    from pipeline.index import Insert

FIGURES: Final = "bench"
"""Under this name an index that is complete keeps what building it took."""


def build(path: Path, model: Model, documents: int, size: int) -> dict[str, Any]:
    """Insert all documents, `size` a commit, or return the figures of an index that has them.

    Inserts per second are those of calls to the writer, with the wait for its last merges. Merges
    also go on while documents are drawn, so a second figure counts all the time that passed. CPU
    time is that of the whole process without the drawing: of commits and merges.
    """
    kept = _figures(path, documents)
    if kept is not None:
        return {**kept, "built_before": True}
    warm_up()
    model.documents(0, 1)  # lays out the common terms
    clock = _Clock()
    before, start, cpu_start = memory(), time.perf_counter(), time.process_time()
    with open_writer(path, merged=clock.merges.append) as writer:
        first = writer.position()
        drawn = _Drawn(model.inserts(documents, size, first))
        for batch in drawn:
            clock.commit(partial(writer.apply, batch, batch[-1].id))
        clock.wait(writer.finish_merges)
        elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu_start - drawn.cpu
        figures = {
            "inserts_per_second": round((documents - first) / clock.waited),
            "inserts_per_second_with_drawing": round((documents - first) / elapsed),
            "cpu_us_per_insert": round(1e6 * cpu / (documents - first), 1),
            "slowest_commit_ms": round(1e3 * clock.slowest, 1),
            "merges": len(clock.merges),
            "slowest_merge_s": round(max(clock.merges, default=0.0), 2),
            "memory_before": before,
            "memory": {**memory(), "anonymous_mb": clock.anonymous_mb},
        }
        writer.apply([], documents, metadata={FIGURES: json.dumps(figures)})
    return figures


@dataclass
class _Clock:
    """What calls of a writer cost; times in seconds.

    Attributes:
        waited: by the clock, in all calls.
        slowest: in the longest commit.
        merges: in each merge.
        anonymous_mb: most memory that the process had for itself after a commit.
    """

    waited: float = 0.0
    slowest: float = 0.0
    merges: list[float] = field(default_factory=list)
    anonymous_mb: float = 0.0

    def commit(self, call: Callable[[], None]) -> None:
        """Commit, and look at the memory."""
        self.slowest = max(self.slowest, self.wait(call))
        self.anonymous_mb = max(self.anonymous_mb, memory()["anonymous_mb"])

    def wait(self, call: Callable[[], None]) -> float:
        """Make a call and return how long it took."""
        start = time.perf_counter()
        call()
        took = time.perf_counter() - start
        self.waited += took
        return took


@dataclass
class _Drawn:
    """Batches, and the CPU time that drawing them took.

    Attributes:
        batches: the batches.
        cpu: seconds.
    """

    batches: Iterator[list[Insert]]
    cpu: float = 0.0

    def __iter__(self) -> Iterator[list[Insert]]:
        return self

    def __next__(self) -> list[Insert]:
        start = time.thread_time()
        try:
            return next(self.batches)
        finally:
            self.cpu += time.thread_time() - start


def _figures(path: Path, documents: int) -> dict[str, Any] | None:
    """Return what an index that holds all documents keeps of its building, if it is there."""
    with open_reader(path) as reader:
        if reader.position() != documents:
            return None
        figures: dict[str, Any] = json.loads(reader.metadata().get(FIGURES, "{}"))
    return figures
