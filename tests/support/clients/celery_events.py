"""Receives events of workers, like Flower."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from celery import Celery

from pipeline.settings.sections import Settings

WAIT: Final = 10.0


@contextmanager
def received_task_events(settings: Settings) -> Iterator[list[dict[str, Any]]]:
    """Yield a list to which the events of tasks are added during a block."""
    events: list[dict[str, Any]] = []

    def note(event: dict[str, Any]) -> None:
        if event["type"].startswith("task-"):
            events.append(event)

    app = Celery(broker=settings.redis.url(), set_as_current=False)
    app.conf.broker_use_ssl = settings.redis.tls() or False
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": note})
        listening = threading.Event()
        receiver.on_consume_ready = lambda *_, **__: listening.set()
        thread = threading.Thread(target=receiver.capture, name="events", daemon=True)
        thread.start()
        assert listening.wait(WAIT)
        try:
            yield events
        finally:
            receiver.should_stop = True
            thread.join(WAIT)
