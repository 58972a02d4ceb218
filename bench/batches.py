"""How many lookups travelled together, by what the workers tell Flower of every batch."""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from celery import Celery

from pipeline.runtime.settings import Settings

FIRST_STAGE: Final = "lookup.validate"
READY: Final = 10.0
"""Seconds to wait until events arrive."""

_SIZE: Final = re.compile(r"\((\d+) lookups\b")


class BatchSizes:
    """The sizes of the batches that workers have received, told by their events."""

    def __init__(self) -> None:
        self._sizes: list[int] = []

    def note(self, event: Mapping[str, Any]) -> None:
        """Take an event of a task that was received."""
        size = _SIZE.match(event.get("args") or "")
        if size and event.get("name") == FIRST_STAGE:
            self._sizes.append(int(size[1]))

    def read(self) -> list[int]:
        """Return the sizes since the last call."""
        sizes, self._sizes = self._sizes, []
        return sizes


@contextmanager
def watched_batches(settings: Settings) -> Iterator[BatchSizes]:
    """Listen to what the workers of a stack tell, for the time of a block."""
    sizes = BatchSizes()
    app = Celery(broker=settings.redis.url(), set_as_current=False)
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"task-received": sizes.note})
        listening = threading.Event()
        receiver.on_consume_ready = lambda *_, **__: listening.set()
        thread = threading.Thread(target=receiver.capture, name="batches", daemon=True)
        thread.start()
        listening.wait(READY)
        try:
            yield sizes
        finally:
            receiver.should_stop = True
            thread.join(READY)


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
