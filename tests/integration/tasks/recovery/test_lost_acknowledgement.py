"""A worker goes on after an acknowledgement that the broker did not get."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from billiard.einfo import ExceptionInfo
from celery.exceptions import Reject
from kombu.transport.virtual import Channel
from redis.exceptions import TimeoutError as RedisTimeoutError

from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks.celery import app
from tasks.clocks.timed_request import TimedRequest
from tests.support.links.proxy import LinkProxy
from tests.support.processes.workers import point_celery_at, write_config

TASK = "maintenance.measure_queues"


@pytest.fixture
def link(settings: Settings, tmp_path: Path) -> Iterator[LinkProxy]:
    """A link to Redis; a message is in the queue ``maintenance``."""
    point_celery_at(write_config(settings, tmp_path / "acoustid.conf"), settings)
    with connect(settings.redis) as client:
        client.delete("maintenance", "unacked", "unacked_index")
    app.loader.import_default_modules()
    app.send_task(TASK, ignore_result=True)
    with LinkProxy(settings.redis.host, settings.redis.port) as proxy:
        yield proxy


Received = tuple[TimedRequest, Channel]


@pytest.fixture
def received(settings: Settings, link: LinkProxy) -> Iterator[Received]:
    """The request of the message, over the link, and its channel, which has one place."""
    away = settings.redis.model_copy(update={"host": link.host, "port": link.port})
    options = {"socket_timeout": 0.2, "socket_connect_timeout": 0.2}
    with (
        app.connection_for_read(away.url(), transport_options=options) as connection,
        connection.channel() as channel,
    ):
        channel.basic_qos(0, prefetch_count=1, apply_global=False)
        message = channel.basic_get("maintenance")
        assert message is not None
        message.accept = {"application/x-msgpack"}
        request = TimedRequest(
            message,
            app=app,
            body=message.body,
            headers=message.headers,
            task=app.tasks[TASK],
            on_ack=message.ack_log_error,
            on_reject=message.reject_log_error,
            connection_errors=connection.connection_errors,
        )
        assert not channel.qos.can_consume()
        yield request, channel
        link.restore()
    with connect(settings.redis) as client:  # the broker delivers it again
        assert client.hlen("unacked") + client.llen("maintenance") == 1


@pytest.mark.parametrize(
    "end", [TimedRequest.acknowledge, lambda request: request.reject(requeue=True)]
)
def test_the_place_of_the_message_is_free(
    received: Received, link: LinkProxy, end: Callable[[TimedRequest], None]
) -> None:
    request, channel = received
    link.half_open()
    end(request)
    assert channel.qos.can_consume()


def test_the_place_is_free_if_the_result_cannot_be_stored(
    received: Received, link: LinkProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backend is unreachable too."""

    def fail(*_: object, **__: object) -> None:
        raise RedisTimeoutError("Timeout reading from socket")

    request, channel = received
    monkeypatch.setattr(app.backend, "store_result", fail)
    link.half_open()
    try:
        raise Reject(ValueError("no retry"), requeue=False)  # noqa: TRY301 - its traceback
    except Reject:
        failure = ExceptionInfo()
    with pytest.raises(RedisTimeoutError):
        request.on_success((True, failure, 0.0))
    assert channel.qos.can_consume()
