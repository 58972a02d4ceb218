"""The front end's side: publishes a batch of lookups as one message or as a chain of tasks."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import uuid4

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from pipeline.messages import LookupBatch, to_message
from pipeline.runtime.links.connection_limits import REDIS_PUBLISH
from tasks import queues, task_names
from tasks.application import app
from tasks.fast_path.switches import FastPath
from tasks.stage_chain import send_chain
from tasks.task_names import BatchTasks

SAMPLE_INTERVAL: Final = 1.0
"""Seconds between two batches with events, for each sender."""

CONNECTION_OPTIONS: Final = {
    "socket_connect_timeout": REDIS_PUBLISH.connect,
    "socket_timeout": REDIS_PUBLISH.reply,
    "socket_keepalive_options": REDIS_PUBLISH.socket_options(),
    "health_check_interval": 0,
}
"""Options of the kept connection. The times are short because a client waits."""

MAX_WAIT: Final = 2.0
"""Maximum seconds that a thread waits for another one, which publishes on the kept connection."""


class LookupSender:
    """Publishes batches of lookups of one kind. Not thread-safe.

    Args:
        fast_path: the optimisations that are on.
        tasks: the tasks of this kind.
        queue: the queue of these tasks.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        fast_path: FastPath,
        tasks: BatchTasks = task_names.LOOKUP,
        queue: str = queues.LOOKUP,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fast_path = fast_path
        self._tasks = tasks
        self._clock = clock
        self._last_sample = -SAMPLE_INTERVAL
        self._producer = KeptProducer(app, queue, declares=False)

    def send(self, batch: LookupBatch) -> None:
        """Publish a batch.

        Raises:
            kombu.exceptions.OperationalError: the broker is unreachable or refuses the message.
        """
        try:
            if self._fast_path.fuses_stages:
                self._send_as_one_task(batch)
            else:
                send_chain(self._tasks.stages, to_message(batch), _summary(batch))
        except RedisError as error:  # Celery does not convert errors of Redis
            raise OperationalError(str(error)) from error

    def discard_connection(self) -> None:
        """Close the kept connection if it is not in use."""
        self._producer.discard_connection()

    def _send_as_one_task(self, batch: LookupBatch) -> None:
        now = self._clock()
        is_sampled = now >= self._last_sample + SAMPLE_INTERVAL
        task = self._tasks.sampled_batch if is_sampled else self._tasks.batch
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
    """Publishes to one queue on one connection, without Celery's pool of producers.

    The messages and the signals are those of `celery.Task.apply_async`. Thread-safe. All times are
    limited, while a thread may wait for Celery's pool without a limit.

    Args:
        app: the Celery application of the tasks.
        queue: the name of the queue.
        declares: whether it declares the queue; workers declare it in any case.
    """

    def __init__(self, app: Celery, queue: str, *, declares: bool) -> None:
        self._app = app
        self._queue = queue
        self._options: dict[str, Any] = {} if declares else {"declare": []}
        self._lock = threading.Lock()
        self._connection: Any = None
        self._producer: Any = None

    def publish(
        self, name: str, args: Sequence[Any], *, argsrepr: str, task_id: str | None = None
    ) -> None:
        """Publish a task. After a lost connection, publish it once more on a new one.

        Args:
            name: the name of the task.
            args: its arguments.
            argsrepr: the text that Flower shows for them.
            task_id: the id of the task; None for a new one.

        Raises:
            kombu.exceptions.OperationalError: the broker is unreachable, did not reply within 2 s,
                or refuses the message.
        """
        message = self._app.amqp.create_task_message(
            task_id or str(uuid4()),
            name,
            args,
            {},
            ignore_result=True,
            argsrepr=argsrepr,
            kwargsrepr="{}",
        )
        if not self._lock.acquire(timeout=MAX_WAIT):
            # Without a cause: it does not show whether the broker is reachable.
            raise OperationalError("another thread still waits for the broker")
        try:
            self._publish(name, message)
        finally:
            self._lock.release()

    def _publish(self, name: str, message: Any) -> None:  # noqa: ANN401 - Celery's tuple
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
            self._publish(name, message)

    def discard_connection(self) -> None:
        """Close the connection if no thread uses it. The next `publish` opens it again."""
        if self._lock.acquire(blocking=False):
            try:
                self.close()
            finally:
                self._lock.release()

    def close(self) -> None:
        """Close the connection. The next `publish` opens it again."""
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            connection.release()

    def _send(self, name: str, message: Any) -> None:  # noqa: ANN401 - Celery's tuple
        if self._producer is None:
            self._open()
        self._app.amqp.send_task_message(
            self._producer, name, message, queue=self._queue, retry=False, **self._options
        )

    def _open(self) -> None:
        self._connection = connection = self._app.connection_for_write(
            transport_options=CONNECTION_OPTIONS
        )
        connection.ensure_connection(max_retries=0)
        self._producer = self._app.amqp.Producer(connection.channel())
