"""Runs a function for files in parallel, and yields the values in the given order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Final, TypeVar

import click

from pipeline.runtime.processes import usable_cpus

T = TypeVar("T")
V = TypeVar("V")

AHEAD: Final = 20
"""Values that are computed while the caller handles earlier ones, in addition to `jobs`."""


jobs_option: Final = click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=usable_cpus,
    show_default="number of CPUs",
    help="Audio files that are read in parallel.",
)


def run_in_order(function: Callable[[T], V], values: Iterable[T], jobs: int) -> Iterator[V]:
    """Yield the function's value of each argument, in the order of the arguments.

    Args:
        function: is called in threads. An exception ends the iteration.
        values: the arguments. They are taken in this thread, shortly before they are needed.
        jobs: number of calls in parallel.
    """
    rest = iter(values)
    pool = ThreadPoolExecutor(jobs)
    waiting: deque[Future[V]] = deque()
    try:
        while True:
            more = islice(rest, AHEAD + jobs - len(waiting))
            waiting.extend(pool.submit(function, value) for value in more)
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
