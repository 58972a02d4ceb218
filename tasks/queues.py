"""The table of Celery queues: tasks, workers and acknowledgement of messages.

A new queue is one row of `queues_of`. If it has a separate worker, `docker-compose.yml` also needs
a service ``worker-<name>``; a test compares the two.

With `[celery] excerpt_queue` the table has one more row: lookups of excerpts have a queue and
workers of their own. Without it, the queue of lookups has them too.

The table is read by ``celeryconfig.py`` (queues and routes), `cli.stack.roles` (worker processes),
``acoustid status`` and the queue metrics (queue lengths), and the test of the Compose file.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from pipeline.settings.sections import CelerySettings

LOOKUP: Final = "lookup"
BACKGROUND: Final = "background"
EXCERPT: Final = "excerpt"
SUBMISSION: Final = "submission"
INDEX: Final = "index"
MAINTENANCE: Final = "maintenance"


class Acknowledgement(Enum):
    """The time at which the broker deletes its copy of a message that a worker has taken."""

    AFTER_TASK = "after the task has ended"
    """If the worker ends before that, the broker delivers the message again."""

    OPTIONAL = "by setting"
    """With `[celery] acknowledge_lookups` after the task has ended; otherwise there is no copy."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A kind of worker process.

    Attributes:
        name: the first part of its Celery node name. Its role and its Compose service are called
            ``worker-<name>``.
        pool: Celery's pool; None for the setting `[celery] lookup_pool`.
        concurrency: tasks that a process runs at a time; None for the default of the pool.
        is_scaled: True if ``acoustid up --workers`` sets the number of processes; otherwise it
            starts one.
    """

    name: str
    pool: str | None
    concurrency: int | None
    is_scaled: bool = False


@dataclass(frozen=True, slots=True)
class TaskQueue:
    """A row of the table.

    Attributes:
        name: the name of the queue, and kombu's key for its messages in Redis.
        tasks: the names of its tasks, as patterns of `fnmatch`. A full name takes precedence over
            a pattern of another row.
        worker: the worker that takes its messages.
        acknowledgement: when a message is deleted.
    """

    name: str
    tasks: tuple[str, ...]
    worker: Worker
    acknowledgement: Acknowledgement = Acknowledgement.AFTER_TASK


_LOOKUP_WORKER: Final = Worker("lookup", pool=None, concurrency=None, is_scaled=True)
_EXCERPT_WORKER: Final = Worker("excerpt", pool=None, concurrency=None, is_scaled=True)
_SUBMISSION_WORKER: Final = Worker("submission", pool="prefork", concurrency=1)
# One process: the index has one writer at a time.
_INDEX_WORKER: Final = Worker("index", pool="prefork", concurrency=1)

_LOOKUPS: Final = "lookup.*"
_EXCERPTS: Final = "excerpt.*"


def queues_of(*, excerpt_queue: bool) -> tuple[TaskQueue, ...]:
    """Return every queue. A worker of several queues takes a message from each in turn.

    Args:
        excerpt_queue: the setting `[celery] excerpt_queue`.
    """
    optional = Acknowledgement.OPTIONAL
    excerpts = (TaskQueue(EXCERPT, (_EXCERPTS,), _EXCERPT_WORKER, optional),)
    return (
        TaskQueue(
            LOOKUP,
            (_LOOKUPS,) if excerpt_queue else (_LOOKUPS, _EXCERPTS),
            _LOOKUP_WORKER,
            optional,
        ),
        TaskQueue(BACKGROUND, ("lookup.background",), _LOOKUP_WORKER),
        *(excerpts if excerpt_queue else ()),
        # A packet of MusicBrainz takes seconds. An import may wait for it, the index may not.
        TaskQueue(
            SUBMISSION, ("submission.*", "maintenance.follow_musicbrainz"), _SUBMISSION_WORKER
        ),
        TaskQueue(INDEX, ("index.*",), _INDEX_WORKER),
        TaskQueue(MAINTENANCE, ("maintenance.*",), _INDEX_WORKER),
    )


NAMES: Final = tuple(queue.name for queue in queues_of(excerpt_queue=True))
"""The name of every queue that an installation may have."""


def names_of(settings: CelerySettings) -> tuple[str, ...]:
    """Return the name of every queue of an installation."""
    return tuple(queue.name for queue in queues_of(excerpt_queue=settings.excerpt_queue))


def queue_of_excerpts(settings: CelerySettings) -> str:
    """Return the name of the queue for lookups of excerpts."""
    return EXCERPT if settings.excerpt_queue else LOOKUP


def queues_by_worker(*, excerpt_queue: bool) -> dict[Worker, list[str]]:
    """Return the names of the queues that each worker serves, in the order of the table.

    Args:
        excerpt_queue: the setting `[celery] excerpt_queue`.
    """
    found: dict[Worker, list[str]] = {}
    for queue in queues_of(excerpt_queue=excerpt_queue):
        found.setdefault(queue.worker, []).append(queue.name)
    return found
