"""Separate threads for groups of paths, so that requests of one group can't take all threads."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from http_server.bodies import LimitReachedError
from http_server.threads import LoopThreads


@dataclass(frozen=True, slots=True)
class Lane:
    """A group of paths with a time limit, and with threads of its own.

    Attributes:
        name: prefix of the threads' names.
        paths: the paths, without parameters.
        threads: the number of threads; None for those of the paths that are in no lane.
        queue_time: maximum seconds from the arrival of a request to its begin in a thread.
    """

    name: str
    paths: frozenset[str]
    threads: int | None
    queue_time: float = math.inf


class Lanes:
    """The threads and the time limit of each path.

    Args:
        threads: number of threads of the paths that are in no lane.
        lanes: the groups of paths.
        queue_time: see `Lane`, for the paths that are in no lane.
    """

    def __init__(self, threads: int, lanes: Iterable[Lane], queue_time: float = math.inf) -> None:
        shared = LoopThreads(threads, "request")
        self._others = (shared, queue_time)
        self._by_path: dict[str, tuple[LoopThreads, float]] = {}
        self._all = [shared]
        for lane in lanes:
            own = shared
            if lane.threads is not None:
                own = LoopThreads(lane.threads, lane.name)
                self._all.append(own)
            self._by_path.update(dict.fromkeys(lane.paths, (own, lane.queue_time)))

    def of(self, path: str) -> tuple[LoopThreads, float]:
        """Return the threads that handle the requests of a path in normal form, and its limit."""
        return self._by_path.get(path, self._others)

    def refuse_late(self) -> None:
        """Refuse the requests that have waited for a thread for longer than their queue time.

        Their futures raise `LimitReachedError`. Called in the event loop's thread.
        """
        for threads in self._all:
            threads.refuse_late(LimitReachedError)

    def close(self) -> None:
        """Wait for the running requests, and end the threads; see `LoopThreads.close`."""
        for threads in self._all:
            threads.close()
