"""Metrics that a test can read."""

from collections import Counter

from pipeline.runtime.statsd_metrics import Metrics


class Counted(Metrics):
    """Stores counts by name instead of sending them.

    Attributes:
        counts: the counts by the full name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def _count(self, name: str, *labels: str, count: int = 1) -> None:
        self.counts[".".join((name, *labels))] += count
