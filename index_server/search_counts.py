"""Metrics of searches.

A search takes one lock and adds to plain numbers. The library's own counters and histograms take a
lock each.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from threading import Lock
from typing import Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.index import Hits

SECONDS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5)
"""Buckets of durations, in seconds."""

_DOCUMENTS: Final = (1, 2, 3, 5, 10, 50, 100, 500, 1000)
_BLOCKS: Final = (1, 2, 3, 5, 10)


class _Observations:
    """The values of one histogram."""

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total: float = 0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def write(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        names = [*map(str, map(float, self._bounds)), "+Inf"]
        buckets = list(zip(names, accumulate(self._counts), strict=True))
        family.add_metric(labels, buckets, self._total)


@dataclass(slots=True)
class _IndexCounts:
    searches: int = 0
    hits: int = 0
    partial: int = 0
    seconds: _Observations = field(default_factory=lambda: _Observations(SECONDS))


_COUNTERS: Final[dict[str, tuple[str, Callable[[_IndexCounts], int]]]] = {
    "fpindex_searches": ("Searches answered.", lambda counts: counts.searches),
    "fpindex_search_hits": ("Searches that found something.", lambda counts: counts.hits),
    "fpindex_search_misses": (
        "Searches that found nothing.",
        lambda counts: counts.searches - counts.hits,
    ),
    "fpindex_partial_searches": (
        "Searches whose results a limit on postings may have cut.",
        lambda counts: counts.partial,
    ),
}


class SearchCounts(Collector):
    """The counters and histograms of all searches of a server. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_index: dict[str, _IndexCounts] = {}
        self._documents = _Observations(_DOCUMENTS)
        self._blocks = _Observations(_BLOCKS)

    def for_index(self, name: str) -> "IndexSearches":
        """Return the counters of an index. New ones start at zero."""
        with self._lock:
            return IndexSearches(self, self._by_index.setdefault(name, _IndexCounts()))

    def forget(self, name: str) -> None:
        """Remove the counters of a deleted index."""
        with self._lock:
            self._by_index.pop(name, None)

    def add(self, counts: _IndexCounts, hits: Hits, seconds: float) -> None:
        """Count a search; see `IndexSearches.add`."""
        with self._lock:
            counts.searches += 1
            counts.hits += hits.ids.size > 0
            counts.partial += hits.partial
            counts.seconds.add(seconds)
            if hits.terms:
                self._documents.add(hits.postings // hits.terms)
                self._blocks.add(hits.blocks // hits.terms)

    def describe(self) -> list[Metric]:
        """Return the metrics without values."""
        return [
            *(_counter(name) for name in _COUNTERS),
            _seconds_histogram(),
            _documents_histogram(),
            _blocks_histogram(),
        ]

    def collect(self) -> Iterator[Metric]:
        """Return the metrics with their current values."""
        counters = {name: _counter(name) for name in _COUNTERS}
        seconds, documents, blocks = (
            _seconds_histogram(),
            _documents_histogram(),
            _blocks_histogram(),
        )
        with self._lock:
            for index, counts in self._by_index.items():
                for name, (_, value_of) in _COUNTERS.items():
                    counters[name].add_metric([index], value_of(counts))
                counts.seconds.write(seconds, [index])
            self._documents.write(documents, [])
            self._blocks.write(blocks, [])
        yield from (*counters.values(), seconds, documents, blocks)


@dataclass(frozen=True, slots=True)
class IndexSearches:
    """Counts the searches of one index."""

    _all: SearchCounts
    _counts: _IndexCounts

    def add(self, hits: Hits, seconds: float) -> None:
        """Count a search after its end.

        Args:
            hits: its result.
            seconds: its duration.
        """
        self._all.add(self._counts, hits, seconds)


def _counter(name: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, _COUNTERS[name][0], labels=("index",))


def _seconds_histogram() -> HistogramMetricFamily:
    return HistogramMetricFamily(
        "fpindex_search_duration_seconds", "Duration of searches in seconds.", labels=("index",)
    )


def _documents_histogram() -> HistogramMetricFamily:
    return HistogramMetricFamily(
        "fpindex_scanned_docs_per_hash", "Entries that a search read, per hash of its query."
    )


def _blocks_histogram() -> HistogramMetricFamily:
    return HistogramMetricFamily(
        "fpindex_scanned_blocks_per_hash", "Blocks that a search opened, per hash of its query."
    )
