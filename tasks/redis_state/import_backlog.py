"""The state of imports in Redis: the queue, the submissions that wait outside it, their number.

Few chains wait in the queue; other submissions wait in the ingest database. See
`tasks.imports.waiting_submissions`.
"""

import json
from dataclasses import dataclass
from typing import Final, cast

import redis

from tasks import queues

MAX_WAITING: Final = 4
"""Number of messages in the queue with which it is full."""

MAX_BATCH: Final = 200
"""Maximum number of submissions in one chain."""

IDS_HEADER: Final = "acoustid_submissions"
"""The message header with the ids of the submissions of an import."""

_MOST_READ: Final = 64  # messages; parts of divided batches may exceed `MAX_WAITING`

_LEFT: Final = "submission:left"
"""Exists while submissions wait in the database because the queue is full."""

_LEFT_SECONDS: Final = 60

_QUEUE_EXISTS: Final = "submission:queue_exists"
"""Is lost together with the queue, for example by FLUSHALL."""

_PENDING: Final = "submission:pending"
_PENDING_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class QueueState:
    """The state of the queue of imports.

    Attributes:
        waiting: the number of messages that no worker has taken.
        has_backlog: whether submissions wait in the database for a place in the queue.
    """

    waiting: int
    has_backlog: bool

    @property
    def free(self) -> int:
        """The number of chains that may be sent."""
        return max(0, MAX_WAITING - self.waiting)


def queue_state(client: redis.Redis) -> QueueState:
    """Return the state of the queue. Raises `redis.exceptions.RedisError`."""
    with client.pipeline(transaction=False) as pipe:
        pipe.llen(queues.SUBMISSION)
        pipe.exists(_LEFT)
        waiting, left = pipe.execute()
    return QueueState(waiting, bool(left))


def keep_backlog(client: redis.Redis) -> None:
    """Let the mark of `set_backlog` live on, if there is one."""
    client.expire(_LEFT, _LEFT_SECONDS)


def waiting_submissions(client: redis.Redis) -> list[int]:
    """Return the ids of the submissions in the messages that no worker has taken."""
    messages = cast("list[bytes]", client.lrange(queues.SUBMISSION, -_MOST_READ, -1))
    return [number for message in messages for number in _ids(message)]


def _ids(message: bytes) -> list[int]:
    try:
        return list(json.loads(message)["headers"].get(IDS_HEADER, ()))
    except (ValueError, KeyError, TypeError, AttributeError):
        return []  # not a message of a stage


def set_backlog(client: redis.Redis, *, exists: bool) -> None:
    """Store whether submissions wait in the database for a place in the queue."""
    if exists:
        client.set(_LEFT, 1, ex=_LEFT_SECONDS)
    else:
        client.delete(_LEFT)


def queue_was_lost(client: redis.Redis) -> bool:
    """Return whether Redis has lost its data since `mark_queue`."""
    return not client.exists(_QUEUE_EXISTS)


def mark_queue(client: redis.Redis) -> None:
    """Store a mark that is lost together with the queue."""
    client.set(_QUEUE_EXISTS, 1)


def store_pending(client: redis.Redis, count: int) -> None:
    """Store the number of pending submissions."""
    client.set(_PENDING, count, ex=_PENDING_SECONDS)


def pending(client: redis.Redis) -> int | None:
    """Return the number of pending submissions when it was stored last; None if not known."""
    found = cast("bytes | None", client.get(_PENDING))
    return None if found is None else int(found)
