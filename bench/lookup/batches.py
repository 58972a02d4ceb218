"""How many batches lookups travelled in, by what the workers answer when they are asked."""

from collections.abc import Mapping
from typing import Any, Final

from celery import Celery

from pipeline.settings.sections import Settings

FIRST_TASKS: Final = ("lookup.batch", "lookup.sampled_batch", "lookup.validate")
"""Tasks of which each batch has one."""

WAIT: Final = 1.0
"""Seconds to wait for the workers' answers."""


class BatchCount:
    """Counts the batches that the workers of a stack have received.

    Args:
        settings: of the stack.
    """

    def __init__(self, settings: Settings) -> None:
        self._app = Celery(broker=settings.redis.url(), set_as_current=False)
        self._app.conf.accept_content = ["json", "msgpack"]  # as workers send results
        self._before = 0

    def read(self) -> int:
        """Return how many batches came since the last call."""
        stats = self._app.control.inspect(timeout=WAIT).stats() or {}
        total = count_batches(stats)
        before, self._before = self._before, total
        return total - before


def count_batches(stats: Mapping[str, Mapping[str, Any]]) -> int:
    """Return how many batches workers have received, by Celery's statistics of each."""
    return sum(each["total"].get(name, 0) for each in stats.values() for name in FIRST_TASKS)


def summary(batches: int, requests: int) -> Mapping[str, Any]:
    """Return how many batches there were and how many requests shared one."""
    return {"count": batches, **({"mean": round(requests / batches, 1)} if batches else {})}
