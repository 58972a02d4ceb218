"""Processes and connections that end in the middle: a callback at each step of Redis and SQL."""

import os
from collections.abc import Callable
from typing import Any

import redis
import sqlalchemy as sa
from redis.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError

DIED = 99
At = Callable[[str], None]


class InterruptedSqlError(Exception):
    """What a test raises in place of an answer from PostgreSQL."""


def watch_redis(client: redis.Redis, at: At) -> None:
    """Call back before each message of a client that is not connected yet, and after each reply."""

    class Watched(Connection):
        def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
            at("redis: send")
            super().send_packed_command(*args, **kwargs)

        def read_response(self, *args: Any, **kwargs: Any) -> Any:
            reply = super().read_response(*args, **kwargs)
            at("redis: reply")
            return reply

    client.connection_pool.connection_class = Watched


def watch_sql(engine: sa.Engine, at: At) -> None:
    """Call back before and after each statement of an engine, and before each commit."""
    sa.event.listen(engine, "before_cursor_execute", lambda *_: at("sql: statement"))
    sa.event.listen(engine, "after_cursor_execute", lambda *_: at("sql: result"))
    sa.event.listen(engine, "commit", lambda *_: at("sql: commit"))


class Dying:
    """Ends the process at a step, as a kill does: nothing is rolled back, nothing is closed."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __call__(self, _: str) -> None:
        self._left -= 1
        if self._left == 0:
            os._exit(DIED)


class Failing:
    """Raises at a step, and if it is an outage, at each one after it."""

    def __init__(self, number: int, *, outage: bool = False) -> None:
        self._left = number
        self._outage = outage

    def __call__(self, step: str) -> None:
        self._left -= 1
        if self._left == 0 or (self._left < 0 and self._outage):
            raise (
                InterruptedSqlError(step) if step.startswith("sql") else RedisConnectionError(step)
            )

    def fail_at(self, number: int) -> None:
        """Count the steps again, and raise at one of them."""
        self._left = number

    @property
    def reached(self) -> bool:
        """Whether anything was raised."""
        return self._left <= 0


def in_a_child(run: Callable[[], object]) -> int:
    """Run something in a forked process; return its exit code, 1 where it raised."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            run()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
