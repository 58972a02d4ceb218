"""How many messages wait in the queues, and for how long."""

import json
import time
from dataclasses import dataclass
from typing import Final, cast

import redis

LOOKUP: Final = "lookup"
BACKGROUND: Final = "background"
SUBMISSION: Final = "submission"
NAMES: Final = (LOOKUP, BACKGROUND, SUBMISSION, "index", "maintenance")
"""Every queue; kombu's name in Redis for its messages of ordinary priority."""

SENT_HEADER: Final = "acoustid_sent_at"
"""The header of a message that tells when it was published, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in a queue.

    Attributes:
        messages: how many.
        age: seconds since the oldest one was published; 0 without any, or where it doesn't tell.
    """

    messages: int
    age: float


def waiting(client: redis.Redis, queue: str) -> int:
    """Return how many messages wait in a queue.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    return int(client.llen(queue))


def backlog(client: redis.Redis, queue: str) -> Backlog:
    """Return what waits in a queue.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    messages = waiting(client, queue)
    oldest = cast("bytes | None", client.lindex(queue, -1))
    return Backlog(messages, 0.0 if oldest is None else _age(oldest))


def _age(message: bytes) -> float:
    try:
        sent = float(json.loads(message)["headers"][SENT_HEADER])
    except (ValueError, KeyError, TypeError):
        return 0.0
    return max(0.0, time.time() - sent)
