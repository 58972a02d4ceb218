"""kombu delivers the messages of a lost worker again by the clock of Redis."""

import time
from collections.abc import Iterator

import pytest
from kombu import Connection
from kombu.transport import redis as transport

from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks.clocks.redelivery_clock import use_clock

QUEUE = "redelivery-clock"
TIMEOUT = 30


@pytest.fixture
def broker(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setattr(transport, "time", time.time)  # restored afterwards
    options = {"visibility_timeout": TIMEOUT, "unacked_restore_throttle": 1}
    with connect(settings.redis) as client:
        client.delete(QUEUE, "unacked", "unacked_index", "unacked_mutex")
        with Connection(settings.redis.url(), transport_options=options) as connection:
            yield connection
        client.delete(QUEUE, "unacked", "unacked_index", "unacked_mutex")


@pytest.mark.parametrize("ahead", [-3600.0, 3600.0])
def test_a_wrong_clock_of_the_host_moves_no_redelivery(
    broker: Connection, settings: Settings, ahead: float
) -> None:
    """The clock of Redis is one hour away from the clock of this host."""
    passed = 0.0
    use_clock(lambda: time.time() + ahead + passed)
    with connect(settings.redis) as client, broker.SimpleQueue(QUEUE) as queue:
        queue.put("a message")
        queue.get(timeout=5)
        [(_, taken)] = client.zrange("unacked_index", 0, -1, withscores=True)
        assert taken == pytest.approx(time.time() + ahead, abs=60)
        passed = TIMEOUT - 10.0
        queue.channel.qos.restore_visible(interval=1)
        assert client.hlen("unacked") == 1
        passed = TIMEOUT + 1.0
        queue.channel.qos.restore_visible(interval=1)
        assert client.hlen("unacked") == 0
        assert client.llen(QUEUE) == 1
