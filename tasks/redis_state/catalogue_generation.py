"""Which state of the catalogue lookups are answered from: a Redis hash that changes with it.

An answer that was found under one generation is right as long as that lasts. A new one begins with
every commit of the index, with every import (which may add a link to a recording, but nothing to
the index), and with whatever else changes what lookups show.

A task that may change the catalogue says so before it begins and again when it has ended; in
between there is no generation to keep an answer under. So nobody who sees a change is answered
from before it, and a task that is killed leaves its mark until it has run again.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, cast
from uuid import uuid4

import redis
from redis.exceptions import RedisError

from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import RedisSettings

KEY: Final = "generation"
"""Fields: ``catalogue``, ``index``, and one for each task that may be about to change them."""

INDEXING: Final = "index.update"
"""The task that returns the index's position."""

CHANGING: Final = frozenset(
    {
        INDEXING,
        "submission.persist",
        "maintenance.merge_missing_mbids",
        "maintenance.follow_mbid_redirects",
    }
)
"""Tasks that change what lookups show, unless they return nothing that they have done."""

LONGEST: Final = 90.0
"""Seconds after which a task that said it would change something is forgotten.

By then it has run again, unless somebody deleted its message.
"""

_MARK: Final = b"task:"


def read(connection: redis.Redis) -> bytes | None:
    """Return the generation, to be compared with another; None while it may be changing.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    return state(cast("dict[bytes, bytes]", connection.hgetall(KEY)))


def state(fields: Mapping[bytes, bytes]) -> bytes | None:
    """Return the generation that the hash's fields tell; None while it may be changing."""
    since = time.time() - LONGEST
    lasting = []
    for name, value in sorted(fields.items()):
        if not name.startswith(_MARK):
            lasting.append(name + b"=" + value)
        elif float(value) > since:
            return None
    return b" ".join(lasting)


def renew(connection: redis.Redis) -> None:
    """Tell that lookups may have other answers from now on.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    connection.hset(KEY, "catalogue", uuid4().hex)


def renew_at(settings: RedisSettings) -> None:
    """Do as `renew`, for a command; without Redis no answer is kept for longer than seconds.

    Args:
        settings: where Redis is.
    """
    with suppress(RedisError), connect(settings) as connection:
        renew(connection)


def task_begins(connection: redis.Redis, name: str, task_id: str) -> None:
    """Tell that a task may change the catalogue, if it is one that does.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    if name in CHANGING:
        connection.hset(KEY, _mark(task_id), str(time.time()))


def task_ended(
    connection: redis.Redis,
    name: str,
    task_id: str,
    outcome: Any,  # noqa: ANN401 - what a task returns
    *,
    succeeded: bool,
) -> None:
    """Tell what a task has changed; a failed one may have committed before it failed.

    Args:
        connection: to Redis.
        name: of the task.
        task_id: as it was when it began.
        outcome: what it returned.
        succeeded: whether it did.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    if name not in CHANGING:
        return
    with connection.pipeline(transaction=True) as together:
        together.hdel(KEY, _mark(task_id))
        if name == INDEXING and succeeded:
            together.hset(KEY, "index", outcome)
        elif outcome or not succeeded:
            renew(together)
        together.execute()


def _mark(task_id: str) -> bytes:
    return _MARK + task_id.encode()
