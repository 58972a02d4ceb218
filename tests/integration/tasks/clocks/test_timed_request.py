"""A worker judges the due time and the expiry of a real message by the shared clock."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks.celery import app
from tasks.clocks.timed_request import TimedRequest
from tasks.fast_path.batch_task import UnacknowledgedRequest
from tasks.redis_state.queue_lengths import SENT_HEADER
from tasks.signals import every_process
from tests.support.processes.workers import point_celery_at, write_config
from tests.support.processes.wrong_time import set_clock_ahead

TASK = "maintenance.measure_queues"


def published(settings: Settings, folder: Path, **options: Any) -> Any:
    """Publish a task; return its message."""
    point_celery_at(write_config(settings, folder / "acoustid.conf"), settings)
    with connect(settings.redis) as client:
        client.delete("maintenance")
    app.send_task(TASK, ignore_result=True, **options)
    with app.connection_for_read() as connection, connection.channel() as channel:
        message = channel.basic_get("maintenance", no_ack=True)
    assert message is not None
    message.accept = {"application/x-msgpack"}
    return message


def request_of(message: Any, kind: type[TimedRequest] = TimedRequest) -> TimedRequest:
    app.loader.import_default_modules()
    return kind(message, app=app, body=message.body, headers=message.headers)


def seconds_left(moment: datetime | None) -> float:
    assert moment is not None
    return (moment - datetime.now(UTC)).total_seconds()


@pytest.mark.parametrize("seconds", [-15.0, 15.0, 3600.0])
def test_the_clock_of_the_publisher_does_not_matter(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    with monkeypatch.context() as patched:  # the clocks that `stamp` and Celery read
        set_clock_ahead(patched, every_process, seconds)
        patched.setattr(app, "now", lambda: datetime.now(UTC) + timedelta(seconds=seconds))
        message = published(settings, tmp_path, countdown=4, expires=8)
    request = request_of(message)
    assert seconds_left(request.eta) == pytest.approx(4, abs=1)
    assert seconds_left(request.expires) == pytest.approx(8, abs=1)
    assert not request.revoked()


def test_a_message_that_waited_longer_than_its_lifetime_expires(
    settings: Settings, tmp_path: Path
) -> None:
    message = published(settings, tmp_path, expires=8)
    message.headers[SENT_HEADER] -= 9
    acknowledged: list[bool] = []
    request = TimedRequest(
        message,
        app=app,
        body=message.body,
        headers=message.headers,
        on_ack=lambda *_: acknowledged.append(True),
    )
    assert request.maybe_expire()


@pytest.mark.parametrize("kind", [TimedRequest, UnacknowledgedRequest])
def test_a_message_without_times_is_due_and_does_not_expire(
    settings: Settings, tmp_path: Path, kind: type[TimedRequest]
) -> None:
    request = request_of(published(settings, tmp_path), kind)
    assert request.eta is None
    assert request.expires is None


def test_a_message_of_the_version_before_is_judged_as_celery_does(
    settings: Settings, tmp_path: Path
) -> None:
    message = published(settings, tmp_path, countdown=4, expires=8)
    for name in [name for name in message.headers if name.startswith("acoustid_")]:
        del message.headers[name]
    request = request_of(message)
    assert seconds_left(request.eta) == pytest.approx(4, abs=1)
    assert seconds_left(request.expires) == pytest.approx(8, abs=1)


def test_every_task_of_the_service_uses_it() -> None:
    app.loader.import_default_modules()
    own = [task for name, task in app.tasks.items() if not name.startswith("celery.")]
    assert own
    kinds = {task.Request for task in own}
    assert kinds == {
        "tasks.clocks.timed_request:TimedRequest",
        "tasks.fast_path.batch_task:UnacknowledgedRequest",
    }
