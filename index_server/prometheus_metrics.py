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

from index_server.search_counts import SECONDS, IndexSearches, SearchCounts
from pipeline.index import IndexStats

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

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


Damaged = Callable[[], Iterable[str]]
"""Returns the names of the damaged indexes."""


class IndexMetrics(NamedTuple):
    """The metrics of one index."""

    searches: IndexSearches
    updates: Counter
    insert_duration: Histogram

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
        self._searches = SearchCounts()
        self._registry.register(self._searches)
        self._updates = self._counter("fpindex_updates", "Updates applied.", _BY_INDEX)
        self._insert_duration = Histogram(
            "fpindex_insert_duration_seconds",
            "Duration of durable updates in seconds.",
            _BY_INDEX,
            registry=self._registry,
            buckets=SECONDS,
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
            self._searches.for_index(name),
            self._updates.labels(name),
            self._insert_duration.labels(name),
        )

    def merged(self, seconds: float) -> None:
        """Count a merge of segments."""
        self._file_merges.inc()
        self._merge_duration.observe(seconds)

    def forget(self, name: str) -> None:
        """Remove the metrics of a deleted index."""
        self._searches.forget(name)
        self._updates.remove(name)
        self._insert_duration.remove(name)

    def watch(self, sizes: Sizes, damaged: Damaged) -> None:
        """Register gauges for the size of every index and for damage, read at each scrape."""
        self._registry.register(_IndexSizes(sizes, damaged))

    def text(self) -> bytes:
        """Return all metrics in the text format of Prometheus, version 0.0.4."""
        return generate_latest(self._registry)

    def _counter(self, name: str, meaning: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(name, meaning, labels, registry=self._registry)


class _IndexSizes(Collector):
    """Gauges that are computed at each scrape, only for existing indexes."""

    def __init__(self, sizes: Sizes, damaged: Damaged) -> None:
        self._sizes = sizes
        self._damaged = damaged

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return the gauges without values."""
        return [*map(self._family, _GAUGES), _damage_family()]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the gauges with their current values."""
        sizes = list(self._sizes())
        for name, (_, value_of) in _GAUGES.items():
            family = self._family(name)
            for index, stats in sizes:
                family.add_metric([index], value_of(stats))
            yield family
        family = _damage_family()
        for index in self._damaged():
            family.add_metric([index], 1)
        yield family

    def _family(self, name: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(name, _GAUGES[name][0], labels=_BY_INDEX)


def _damage_family() -> GaugeMetricFamily:
    """Return the gauge of damaged indexes without values; an intact index has none."""
    return GaugeMetricFamily(
        "fpindex_damaged", "1 for an index with damaged files.", labels=_BY_INDEX
    )
