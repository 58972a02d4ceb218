"""The front end's side: publishes a batch of lookups as one message or as a chain of tasks."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import uuid4

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from pipeline.messages import LookupBatch, to_message
from tasks.application import app
from tasks.fast_path.switches import FastPath
from tasks.queues import LOOKUP
from tasks.stage_chain import send_chain
from tasks.task_names import BATCH, LOOKUP_STAGES, SAMPLED_BATCH

SAMPLE_INTERVAL: Final = 1.0
"""Seconds between two batches with events, for each sender."""

CONNECTION_OPTIONS: Final = {
    "socket_connect_timeout": 1,
    "socket_timeout": 2,
    "health_check_interval": 0,
}
"""Options of the kept connection, in seconds. They are short because a client waits."""


class LookupSender:
    """Publishes batches of lookups. Not thread-safe.

    Args:
        fast_path: the optimisations that are on.
        clock: monotonic time in seconds.
    """

    def __init__(self, fast_path: FastPath, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fast_path = fast_path
        self._clock = clock
        self._last_sample = -SAMPLE_INTERVAL
        self._producer = KeptProducer(app)

    def send(self, batch: LookupBatch) -> None:
        """Publish a batch.

        Raises:
            kombu.exceptions.OperationalError: the broker is unreachable or refuses the message.
        """
        try:
            if self._fast_path.fuses_stages:
                self._send_as_one_task(batch)
            else:
                send_chain(LOOKUP_STAGES, to_message(batch), _summary(batch))
        except RedisError as error:  # Celery does not convert errors of Redis
            raise OperationalError(str(error)) from error

    def _send_as_one_task(self, batch: LookupBatch) -> None:
        now = self._clock()
        is_sampled = now >= self._last_sample + SAMPLE_INTERVAL
        task = SAMPLED_BATCH if is_sampled else BATCH
        args, shown = (to_message(batch),), _summary(batch)
        if self._fast_path.keeps_producer:
            self._producer.publish(task, args, argsrepr=shown)
        else:
            app.send_task(task, args, argsrepr=shown, ignore_result=True)
        if is_sampled:
            self._last_sample = now


def _summary(batch: LookupBatch) -> str:
    """Return the text that Flower shows for the arguments."""
    return f"({len(batch.lookups)} lookups)"


class KeptProducer:
    """Publishes to the queue of lookups on one connection, without Celery's pool of producers.

    The messages and the signals are those of `celery.Task.apply_async`. Not thread-safe.

    Args:
        app: the Celery application of the tasks.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._connection: Any = None
        self._producer: Any = None

    def publish(self, name: str, args: Sequence[Any], *, argsrepr: str) -> None:
        """Publish a task. After a lost connection, publish it once more on a new one.

        Args:
            name: the name of the task.
            args: its arguments.
            argsrepr: the text that Flower shows for them.

        Raises:
            kombu.exceptions.OperationalError: the broker is unreachable, did not reply within 2 s,
                or refuses the message.
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
        """Close the connection. The next `publish` opens it again."""
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            connection.release()

    def _send(self, name: str, message: Any) -> None:  # noqa: ANN401 - Celery's tuple
        if self._producer is None:
            self._open()
        # Workers declare the queue, so a front end does not.
        self._app.amqp.send_task_message(
            self._producer, name, message, queue=LOOKUP, declare=[], retry=False
        )

    def _open(self) -> None:
        self._connection = connection = self._app.connection_for_write(
            transport_options=CONNECTION_OPTIONS
        )
        connection.ensure_connection(max_retries=0)
        self._producer = self._app.amqp.Producer(connection.channel())
