"""How many lookups travelled together, by what the workers log of every batch."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from cli.datadir import DataDir

_BATCH: Final = re.compile(rb"lookup batch\b.*\blookups=(\d+)")


class BatchLog:
    """Reads what the lookup workers of a stack have logged since it last looked."""

    def __init__(self, data: DataDir) -> None:
        self._folder = data.log("any").parent
        self._ends: dict[str, int] = {}
        self.read()

    def read(self) -> list[int]:
        """Return the sizes of the batches since the last call."""
        sizes: list[int] = []
        for path in sorted(self._folder.glob("worker-lookup-*.log")):
            with path.open("rb") as log:
                log.seek(self._ends.get(path.name, 0))
                text = log.read()
                self._ends[path.name] = log.tell()
            sizes += parse(text)
        return sizes


def parse(log: bytes) -> list[int]:
    """Return the sizes of the batches that a worker's log names."""
    return [int(size) for size in _BATCH.findall(log)]


def summary(sizes: Sequence[int]) -> Mapping[str, Any]:
    """Return how many batches there were and how large."""
    if not sizes:
        return {"count": 0}
    median, high = np.percentile(sizes, [50, 95])
    return {
        "count": len(sizes),
        "mean": round(float(np.mean(sizes)), 1),
        "p50": round(float(median)),
        "p95": round(float(high)),
        "max": max(sizes),
    }
