"""The task that applies the changelog to the index, after each import and every 5 seconds.

It also updates the copies that follow the index: the fingerprint store and the sketch index. It
empties damaged ones, which the next runs fill again, and reads their files slowly to find damage
(`pipeline.storage.scrub`).
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from redis.exceptions import RedisError

from pipeline.following.copies import Copy
from pipeline.following.followers import update_followers
from pipeline.following.open_index import IndexBusy
from pipeline.following.problems import INDEX, STORE, NotWrittenError, WriteProblems
from pipeline.following.store_copy import StoreCopy
from pipeline.following.update_index import update_index
from pipeline.index import IndexCorrupt
from tasks.celery import app
from tasks.following.written_sketch import DAMAGED, seen_position
from tasks.redis_state import write_problems
from tasks.stage_task import StageTask
from tasks.worker_resources import WorkerResources, worker_resources

RUN_TIME: Final = 8.0
"""Seconds after which a run begins no further batch of the index or another copy.

The next run applies the rest. The opening of all, the last batch and a step of the scrub fit into
the time limit of tasks.
"""

SCRUB_EVERY: Final = 4.0
"""Seconds between two steps of the scrub."""

RETRY_WRITE: Final = 2.0
"""Seconds until a failed write is tried again: less than the interval of the task."""


@app.task(name="index.update", base=StageTask, ignore_result=True, bind=True)
def update(self: Any, position: int = 0) -> int:  # noqa: ANN401 - Celery's task
    """Apply the changelog to the index, the fingerprint store and the sketch index.

    While they cannot be written, the worker's report has the reason.

    Args:
        self: the task.
        position: the changelog position that the index should reach; 0 for the newest one.

    Returns:
        The position of the index. It may be lower than `position`.
    """
    resources = worker_resources()
    reached, problem = run(resources, self.request.hostname or "", position)
    if resources.write_problems.should_retry and not position and not self.request.retries:
        raise self.retry(exc=NotWrittenError(problem), countdown=RETRY_WRITE)
    return reached


def run(resources: WorkerResources, node: str, position: int = 0) -> tuple[int, str]:
    """Update all copies once.

    Args:
        resources: the resources of this process.
        node: the name of the worker, under which a problem is stored.
        position: see `update`.

    Returns:
        The position of the index; why something was not written, else an empty text.
    """
    current, error = _position(resources)
    if 0 < position <= current:
        return current, ""
    until = time.monotonic() + RUN_TIME
    with _reporting(resources, node) as problems:
        if error:
            problems.add(INDEX, error)
            reached = 0
            _update_followers(resources, problems, until)
        else:
            reached = _update(resources, problems, current, until)
        if not position:
            if resources.written_sketch:
                resources.written_sketch.remove_replaced()
            _scrub(resources, problems)
    return reached, problems.text()


def _position(resources: WorkerResources) -> tuple[int, OSError | None]:
    """Return the position of the index, and the error if its files cannot be read."""
    try:
        return seen_position(resources.index_reader), None
    except IndexCorrupt:
        return DAMAGED, None
    except (ConnectionError, TimeoutError):
        raise
    except OSError as error:
        return DAMAGED, error


def _update(resources: WorkerResources, problems: WriteProblems, current: int, until: float) -> int:
    """Update all copies; without the index if it cannot be written now."""
    reached = max(current, 0)
    try:
        with resources.index_lease.borrow(current) as updater:
            if not problems.must_wait(INDEX, _index_folder(resources), updater.position()):
                with _followers(resources, problems) as followers:
                    return update_index(
                        updater,
                        resources.databases,
                        followers=followers,
                        until=until,
                        failed=problems.add,
                    )
            reached = 0
    except IndexBusy:
        # The other writer (a worker or a rebuild) applies the whole changelog.
        return reached
    except (ConnectionError, TimeoutError):
        raise
    except (IndexCorrupt, OSError) as error:
        problems.add(INDEX, error)
    _update_followers(resources, problems, until)
    return reached


def _update_followers(resources: WorkerResources, problems: WriteProblems, until: float) -> None:
    with _followers(resources, problems) as followers:
        update_followers(followers, resources.databases, until=until, failed=problems.add)


@contextmanager
def _followers(resources: WorkerResources, problems: WriteProblems) -> Iterator[list[Copy]]:
    """Open the copies that follow the index; those that can't be written now are left out."""
    path = resources.settings.fingerprint_store.path
    with ExitStack() as stack:
        copies: list[Copy] = []
        store = stack.enter_context(resources.store_writer(problems))
        if store and not problems.must_wait(STORE, path, store.position()):
            copies.append(StoreCopy(store))
        if resources.written_sketch:
            copies += stack.enter_context(resources.written_sketch.borrow(problems))
        yield copies


def _index_folder(resources: WorkerResources) -> Path | None:
    settings = resources.settings.fingerprint_index
    return settings.path if settings.protocol == "local" else None


def _scrub(resources: WorkerResources, problems: WriteProblems) -> None:
    """Read a part of the files. The next run opens a damaged folder again and empties it."""
    for noun, scrub in resources.scrubs.items():
        with suppress(OSError):  # a folder that cannot be read is reported by its readers
            if error := scrub.step_when_due(SCRUB_EVERY):
                problems.add(noun, error)
                resources.index_lease.close()
                if resources.written_sketch:
                    resources.written_sketch.close()


@contextmanager
def _reporting(resources: WorkerResources, node: str) -> Iterator[WriteProblems]:
    """Provide the problems of this run; afterwards store them for the worker's report."""
    problems = resources.write_problems
    had_any = bool(problems.text())
    problems.begin()
    yield problems
    text = problems.text()
    if text or had_any:
        with suppress(RedisError):
            write_problems.store(resources.redis, node, text)
