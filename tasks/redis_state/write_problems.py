"""The reason for which an index worker does not write index or store: a Redis key for each worker.

A process of the worker's pool stores it, the main process adds it to the worker's report. It
expires unless each run of the task stores it again.
"""

from typing import Final, cast

import redis

EXPIRY: Final = 30
"""Seconds; the task runs every 5 s."""

_KEY: Final = "worker:write_problem:"


def store(connection: redis.Redis, node: str, problem: str) -> None:
    """Store the problem of a worker; an empty text deletes it."""
    if problem:
        connection.set(_KEY + node, problem, ex=EXPIRY)
    else:
        connection.delete(_KEY + node)


def read(connection: redis.Redis, node: str) -> str:
    """Return the problem of a worker, an empty text if it has none."""
    found = cast("bytes | None", connection.get(_KEY + node))
    return found.decode() if found else ""
