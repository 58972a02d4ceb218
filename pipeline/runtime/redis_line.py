"""A connection to Redis for commands that somebody waits for.

A client of redis-py takes a connection from its pool for each command, and puts it back; that, its
callbacks and what it measures take longer than the command. Here one connection is kept.
"""

import os
import threading
from typing import TYPE_CHECKING, Any

import redis
from redis.exceptions import ConnectionError as RedisConnectionError

if TYPE_CHECKING:
    from redis.connection import ConnectionInterface


class RedisLine:
    """One connection of a client, for one command at a time; safe among threads and after forks.

    Args:
        client: whose connection to take, with its limits of time.
        again: whether a command whose connection is lost is sent once more; it may run twice then.
    """

    def __init__(self, client: redis.Redis, *, again: bool = True) -> None:
        self._client = client
        self._again = again
        self._begin()

    def ask(self, *command: bytes | str | float) -> Any:  # noqa: ANN401 - as Redis replies
        """Return the reply to a command, as Redis sends it.

        Raises:
            redis.RedisError: Redis is away, did not reply in time, or refuses the command.
        """
        if self._pid != os.getpid():  # the connection is still the parent's
            self._begin()
        with self._lock:
            try:
                return self._ask(command)
            except RedisConnectionError:
                if not self._again:
                    raise
            return self._ask(command)

    def close(self) -> None:
        """Close the connection; another command would open it again."""
        with self._lock:
            self._connection.disconnect()  # type: ignore[no-untyped-call]

    def _ask(self, command: tuple[bytes | str | float, ...]) -> Any:  # noqa: ANN401 - see `ask`
        # Whatever goes wrong in these two closes the connection, but for a refusal, and the next
        # command opens it anew.
        self._connection.send_command(*command)  # type: ignore[no-untyped-call]
        return self._connection.read_response()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        # It connects with the first command.
        self._connection: ConnectionInterface = self._client.connection_pool.make_connection()
