"""Prometheus metrics of the index server, with the names of fpindex."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pipeline.index import IndexStats

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5)
_MERGE_SECONDS: Final = (0.01, 0.1, 1, 10, 60, 600)
_BY_INDEX: Final = ("index",)
_GAUGES: Final[dict[str, tuple[str, Callable[[IndexStats], int]]]] = {
    "fpindex_docs": ("Fingerprints that a search can find.", lambda stats: stats.documents),
    "fpindex_version": ("Version of the last update.", lambda stats: stats.position),
    "fpindex_segment_count": ("Segments of the index.", lambda stats: stats.segments),
    "fpindex_memory_segment_size_bytes": (
        "Bytes of segments that are only in memory: always 0.",
        lambda _: 0,
    ),
    "fpindex_file_segment_size_bytes": ("Bytes of segment files.", lambda stats: stats.bytes),
}

Sizes = Callable[[], Iterable[tuple[str, IndexStats]]]
"""Returns the name and the size of every index."""


class IndexMetrics(NamedTuple):
    """The labelled metrics of one index."""

    searches: Counter
    hits: Counter
    misses: Counter
    search_duration: Histogram
    updates: Counter
    insert_duration: Histogram

    def searched(self, seconds: float, *, hit: bool) -> None:
        """Count a search, and whether it found anything."""
        self.searches.inc()
        (self.hits if hit else self.misses).inc()
        self.search_duration.observe(seconds)

    def updated(self, seconds: float) -> None:
        """Count an update after its commit."""
        self.updates.inc()
        self.insert_duration.observe(seconds)


class IndexServerMetrics:
    """All metrics of one server, in a separate registry."""

    def __init__(self) -> None:
        # fpindex has no `_created` series.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._searches = self._counter("fpindex_searches", "Searches answered.", _BY_INDEX)
        self._hits = self._counter(
            "fpindex_search_hits", "Searches that found something.", _BY_INDEX
        )
        self._misses = self._counter(
            "fpindex_search_misses", "Searches that found nothing.", _BY_INDEX
        )
        self._search_duration = self._histogram(
            "fpindex_search_duration_seconds", "Duration of searches in seconds."
        )
        self._updates = self._counter("fpindex_updates", "Updates applied.", _BY_INDEX)
        self._insert_duration = self._histogram(
            "fpindex_insert_duration_seconds", "Duration of durable updates in seconds."
        )
        self.checkpoints = self._counter(
            "fpindex_checkpoints", "Commits. Each commits one update or several simultaneous ones."
        )

        self._file_merges = self._counter("fpindex_file_merges", "Merges of segment files.")
        self._merge_duration = Histogram(
            "fpindex_merge_duration_seconds",
            "Duration of merges of segment files in seconds.",
            registry=self._registry,
            buckets=_MERGE_SECONDS,
        )
        # Always 0, since every segment is in a file. Dashboards of fpindex read it.
        self._counter("fpindex_memory_merges", "Merges of segments that are only in memory.")

    def for_index(self, name: str) -> IndexMetrics:
        """Return the metrics of an index. New ones start at zero."""
        return IndexMetrics(
            self._searches.labels(name),
            self._hits.labels(name),
            self._misses.labels(name),
            self._search_duration.labels(name),
            self._updates.labels(name),
            self._insert_duration.labels(name),
        )

    def merged(self, seconds: float) -> None:
        """Count a merge of segments."""
        self._file_merges.inc()
        self._merge_duration.observe(seconds)

    def forget(self, name: str) -> None:
        """Remove the metrics of a deleted index."""
        for metric in (
            self._searches,
            self._hits,
            self._misses,
            self._search_duration,
            self._updates,
            self._insert_duration,
        ):
            metric.remove(name)

    def watch(self, sizes: Sizes) -> None:
        """Register gauges for the size of every index, read at each scrape."""
        self._registry.register(_IndexSizes(sizes))

    def text(self) -> bytes:
        """Return all metrics in the text format of Prometheus, version 0.0.4."""
        return generate_latest(self._registry)

    def _counter(self, name: str, meaning: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(name, meaning, labels, registry=self._registry)

    def _histogram(self, name: str, meaning: str) -> Histogram:
        return Histogram(name, meaning, _BY_INDEX, registry=self._registry, buckets=_SECONDS)


class _IndexSizes(Collector):
    """Gauges that are computed at each scrape, only for existing indexes."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return the gauges without values."""
        return [self._family(name) for name in _GAUGES]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the gauges with their current values."""
        sizes = list(self._sizes())
        for name, (_, value_of) in _GAUGES.items():
            family = self._family(name)
            for index, stats in sizes:
                family.add_metric([index], value_of(stats))
            yield family

    def _family(self, name: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(name, _GAUGES[name][0], labels=_BY_INDEX)
