"""Measures queues: the number of messages and the age of the oldest one."""

import json
from dataclasses import dataclass
from typing import Final

import redis

from tasks.clocks.shared_clock import in_seconds

SENT_HEADER: Final = "acoustid_sent_at"
"""The message header with the time of publishing by the clock of Redis, in seconds."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The messages that wait in a queue.

    Attributes:
        messages: their number.
        age: seconds since the oldest one was published; 0 for an empty queue and for a message
            without `SENT_HEADER`.
    """

    messages: int
    age: float


def waiting(client: redis.Redis, queue: str) -> int:
    """Return the number of messages that wait in a queue.

    Args:
        client: the Redis client.
        queue: one of `tasks.queues.NAMES`.

    Raises:
        redis.exceptions.RedisError: Redis is unreachable.
    """
    return int(client.llen(queue))


def backlog(client: redis.Redis, queue: str) -> Backlog:
    """Return the number of messages in a queue and the age of the oldest one.

    Args:
        client: the Redis client.
        queue: one of `tasks.queues.NAMES`.

    Raises:
        redis.exceptions.RedisError: Redis is unreachable.
    """
    with client.pipeline(transaction=False) as pipe:
        pipe.llen(queue)
        pipe.lindex(queue, -1)
        pipe.time()
        messages, oldest, now = pipe.execute()
    return Backlog(messages, 0.0 if oldest is None else _age(oldest, in_seconds(now)))


def _age(message: bytes, now: float) -> float:
    try:
        sent = float(json.loads(message)["headers"][SENT_HEADER])
    except (ValueError, KeyError, TypeError):
        return 0.0
    return max(0.0, now - sent)
