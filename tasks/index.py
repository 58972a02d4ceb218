"""The task that applies the changelog to the index, after each import and every 5 seconds.

It also empties a damaged index or store, which the next runs fill again, and reads their files
slowly to find damage (`pipeline.storage.scrub`).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from redis.exceptions import RedisError

from pipeline.fingerprint_store import StoreWriter
from pipeline.following.open_index import IndexBusy, IndexUpdater
from pipeline.following.problems import (
    INDEX,
    STORE,
    NotWrittenError,
    WriteProblems,
    waiting_problem,
)
from pipeline.following.update_index import update_index, update_store_alone
from pipeline.following.update_store import store_may_fail
from pipeline.index import IndexCorrupt, IndexReader
from pipeline.storage.damaged_folders import damaged_folders, seconds_to_filling
from tasks.celery import app
from tasks.redis_state import write_problems
from tasks.stage_task import StageTask
from tasks.worker_resources import WorkerResources, worker_resources

RUN_TIME: Final = 8.0
"""Seconds after which a run begins no further batch of index or store.

The next run applies the rest. The opening of both, the last batch and a step of the scrub fit into
the time limit of tasks.
"""

SCRUB_EVERY: Final = 4.0
"""Seconds between two steps of the scrub."""

RETRY_WRITE: Final = 2.0
"""Seconds until a failed write is tried again: less than the interval of the task."""

_DAMAGED: Final = -1
"""The position of an index that is damaged or cannot be read."""


@app.task(name="index.update", base=StageTask, ignore_result=True, bind=True)
def update(self: Any, position: int = 0) -> int:  # noqa: ANN401 - Celery's task
    """Apply the changelog to the index and the fingerprint store.

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
    """Update index and store once.

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
            _update_store(resources, problems, until)
        else:
            reached = _update(resources, problems, current, until)
        if not position:
            _scrub(resources, problems)
    return reached, problems.text()


def _position(resources: WorkerResources) -> tuple[int, OSError | None]:
    """Return the position of the index; check the lengths and the tables of local files.

    An open writer does not read them, so it would not notice damage. If the files cannot be read,
    such as without permission, the error is returned: they may be intact.
    """
    try:
        reader = resources.index_reader
        position = reader.position()
        if isinstance(reader, IndexReader):
            reader.check_files()
    except IndexCorrupt:
        return _DAMAGED, None
    except (ConnectionError, TimeoutError):
        raise
    except OSError as error:
        return _DAMAGED, error
    return position, None


def _update(resources: WorkerResources, problems: WriteProblems, current: int, until: float) -> int:
    """Update both; the store alone if the index cannot be written now."""
    reached = max(current, 0)
    try:
        with resources.index_lease.borrow(current) as updater:
            if not _must_wait(_index_folder(resources), updater, INDEX, problems):
                with _store_to_update(resources, problems) as store:
                    return update_index(
                        updater,
                        resources.databases,
                        store=store,
                        until=until,
                        store_failed=lambda error: problems.add(STORE, error),
                    )
            reached = 0
    except IndexBusy:
        # The other writer (a worker or a rebuild) applies the whole changelog.
        return reached
    except (ConnectionError, TimeoutError):
        raise
    except (IndexCorrupt, OSError) as error:
        problems.add(INDEX, error)
    _update_store(resources, problems, until)
    return reached


def _update_store(resources: WorkerResources, problems: WriteProblems, until: float) -> None:
    with (
        _store_to_update(resources, problems) as store,
        store_may_fail(lambda error: problems.add(STORE, error)),
    ):
        if store:
            update_store_alone(store, resources.databases, until)


@contextmanager
def _store_to_update(
    resources: WorkerResources, problems: WriteProblems
) -> Iterator[StoreWriter | None]:
    """Open the store; yield None if it cannot be written now, or is filled later."""
    path = resources.settings.fingerprint_store.path
    with resources.store_writer(problems) as store:
        yield None if store and _must_wait(path, store, STORE, problems) else store


def _must_wait(
    folder: Path | None, writer: IndexUpdater | StoreWriter, noun: str, problems: WriteProblems
) -> bool:
    """Return whether an empty folder is filled later because it was damaged repeatedly."""
    if folder is None or writer.position():
        return False
    seconds = seconds_to_filling(folder)
    if seconds:
        problems.add(noun, waiting_problem(seconds, len(damaged_folders(folder))))
    return seconds > 0


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
