"""Interrupts processes and connections at any step of Redis and SQL, by callbacks."""

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
    """A test raises it in place of PostgreSQL's reply."""


def watch_redis(client: redis.Redis, at: At) -> None:
    """Call `at` before each message and after each reply. The client must not be connected yet."""

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
    """Call `at` before and after each statement of an engine, and before each commit."""
    sa.event.listen(engine, "before_cursor_execute", lambda *_: at("sql: statement"))
    sa.event.listen(engine, "after_cursor_execute", lambda *_: at("sql: result"))
    sa.event.listen(engine, "commit", lambda *_: at("sql: commit"))


class Dying:
    """Ends the process at a step like a kill, without any rollback or closing."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __call__(self, _: str) -> None:
        self._left -= 1
        if self._left == 0:
            os._exit(DIED)


class Failing:
    """Raises an error at a step. In an outage it does so at each later step, too."""

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
        """Restart the count of steps, and raise an error at step `number`."""
        self._left = number

    @property
    def reached(self) -> bool:
        """Whether an error was raised."""
        return self._left <= 0


def in_a_child(run: Callable[[], object]) -> int:
    """Run a function in a forked process. Return the exit code, 1 after an exception."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            run()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
