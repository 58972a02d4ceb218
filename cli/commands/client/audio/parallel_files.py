"""Runs a function for files beside each other, and yields the values in the given order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Generic, TypeVar

import click

from cli.commands.client.audio.bad_file import BadFileError

T = TypeVar("T")


def usable_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


jobs_option: Final = click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=usable_cpus,
    help="Files whose fingerprints are computed beside each other.  [default: number of CPUs]",
)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """The value of one file.

    Attributes:
        path: the file.
        value: the value of the function, or the error of the file.
    """

    path: Path
    value: T | BadFileError


def run_in_order(
    function: Callable[[Path], T], paths: Iterable[Path], jobs: int, batch: int
) -> Iterator[list[Outcome[T]]]:
    """Yield the values of files in the order of the files, in batches.

    A batch ends with the first file that is not finished, so no finished file waits for others.
    While the caller handles a batch, the next files are computed.

    Args:
        function: is called in threads. Its `BadFileError` becomes part of the outcome; any other
            exception ends the iteration.
        paths: the files.
        jobs: calls beside each other.
        batch: maximum number of files in a batch.
    """

    def outcome(path: Path) -> Outcome[T]:
        try:
            return Outcome(path, function(path))
        except BadFileError as error:
            return Outcome(path, error)

    rest = iter(paths)
    pool = ThreadPoolExecutor(jobs)
    waiting: deque[Future[Outcome[T]]] = deque()
    try:
        while True:
            more = islice(rest, batch + jobs - len(waiting))
            waiting.extend(pool.submit(outcome, path) for path in more)
            if not waiting:
                return
            ready = [waiting.popleft().result()]
            while waiting and len(ready) < batch and waiting[0].done():
                ready.append(waiting.popleft().result())
            yield ready
    finally:
        pool.shutdown(cancel_futures=True)
