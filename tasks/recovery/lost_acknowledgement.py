"""A worker's request that frees its place if its message cannot be acknowledged.

A worker takes only as many messages as it may have unacknowledged. If the connection is dead at the
moment of an acknowledgement, Celery logs ``Couldn't ack`` and keeps the message in its list for
ever. If the result of a task cannot be stored, Celery does not reach the acknowledgement at all.
With one place, as in the workers of imports and of the index, the worker then takes no message any
more, although it is connected again. The broker has its own copy of the message and delivers it
after its visibility timeout, which does no harm, since tasks are idempotent.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery.worker.request import Request
from kombu.transport import virtual


class ForgettingRequest(Request):
    """Forgets a message that the broker could not be told about."""

    def acknowledge(self) -> None:
        """Acknowledge the message, or forget it."""
        super().acknowledge()
        self._forget_unless_told()

    def reject(self, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - Celery's signature
        """Give the message back, or forget it."""
        super().reject(requeue)
        self._forget_unless_told()

    def on_success(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - Celery's arguments
        """End a task that has returned; forget its message after an error."""
        with self._forgotten_after_an_error():
            return super().on_success(*args, **kwargs)

    def on_failure(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - Celery's arguments
        """End a task that has failed; forget its message after an error."""
        with self._forgotten_after_an_error():
            return super().on_failure(*args, **kwargs)

    def on_timeout(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - Celery's arguments
        """End a task at a time limit; forget its message after an error."""
        with self._forgotten_after_an_error():
            return super().on_timeout(*args, **kwargs)

    @contextmanager
    def _forgotten_after_an_error(self) -> Iterator[None]:
        try:
            yield
        except Exception:
            self._forget()
            raise

    def _forget_unless_told(self) -> None:
        if self.acknowledged:
            self._forget()

    def _forget(self) -> None:
        message = self.message
        if message.acknowledged:
            return
        qos = getattr(message.channel, "qos", None)
        if isinstance(qos, virtual.QoS):
            # The method of the subclass for Redis would ask the broker again.
            virtual.QoS.ack(qos, message.delivery_tag)  # type: ignore[no-untyped-call]
