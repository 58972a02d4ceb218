"""A thread that reads the files of all indexes slowly, to find damage."""

from collections.abc import Callable, Iterable
from typing import Final

from index_server.served_index import ServedIndex
from pipeline.runtime.periodic_thread import PeriodicThread
from pipeline.storage.scrub import RATE

STEP: Final = 4.0
"""Seconds between two steps; each reads a part of one index."""


class ScrubThread:
    """Reads the indexes in turn until `close`.

    Args:
        indexes: returns the indexes of the server.
    """

    def __init__(self, indexes: Callable[[], Iterable[ServedIndex]]) -> None:
        self._indexes = indexes
        self._last = ""
        self._thread = PeriodicThread("scrub", self._step, STEP)

    def close(self) -> None:
        """End the thread; wait for the current step, which takes less than a second."""
        self._thread.close(STEP)

    def _step(self) -> None:
        indexes = sorted(self._indexes(), key=lambda index: index.name)
        following = [index for index in indexes if index.name > self._last]
        for index in [*following, *indexes][:1]:
            self._last = index.name
            index.scrub(int(STEP * RATE))
