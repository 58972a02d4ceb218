"""A kept producer: messages of lookups are published on one connection, past Celery's pool."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

import celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tasks.redis_state.queue_lengths import LOOKUP

OPTIONS: Final = {
    "socket_connect_timeout": 1,
    "socket_timeout": 2,
    "health_check_interval": 0,
}
"""Options of the connection: somebody waits for what is published, at most these seconds."""


class KeptProducer:
    """Publishes to the queue of lookups; for one thread at a time.

    The messages are those of `celery.Task.apply_async`, with its signals.

    Args:
        app: whose tasks.
    """

    def __init__(self, app: celery.Celery) -> None:
        self._app = app
        self._connection: Any = None
        self._producer: Any = None

    def publish(self, name: str, args: Sequence[Any], *, argsrepr: str) -> None:
        """Publish a task; on a lost connection, once more on another.

        Args:
            name: of the task.
            args: its arguments.
            argsrepr: what Flower shows of them.

        Raises:
            kombu.exceptions.OperationalError: the broker is away, did not reply within 2 s, or
                refuses the message.
        """
        message = self._app.amqp.create_task_message(
            str(uuid4()), name, args, {}, ignore_result=True, argsrepr=argsrepr, kwargsrepr="{}"
        )
        is_new = self._producer is None
        try:
            self._send(name, message)
        except RedisTimeoutError as error:  # the message may have arrived
            self.close()
            raise OperationalError(str(error)) from error
        except (RedisError, OSError) as error:
            self.close()
            if is_new:
                raise OperationalError(str(error)) from error
            self.publish(name, args, argsrepr=argsrepr)

    def close(self) -> None:
        """Close the connection; another message would open it again."""
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            connection.release()

    def _send(self, name: str, message: Any) -> None:  # noqa: ANN401 - Celery's tuple
        if self._producer is None:
            self._open()
        # Workers declare the queue, and need not be told by each front end.
        self._app.amqp.send_task_message(
            self._producer, name, message, queue=LOOKUP, declare=[], retry=False
        )

    def _open(self) -> None:
        self._connection = connection = self._app.connection_for_write(transport_options=OPTIONS)
        connection.ensure_connection(max_retries=0)
        self._producer = self._app.amqp.Producer(connection.channel())
