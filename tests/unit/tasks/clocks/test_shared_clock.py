"""The shared clock follows the clock of Redis, whatever the clocks of this host do."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
import structlog

from pipeline.settings.sections import RedisSettings
from tasks.clocks.shared_clock import FIRST_WAIT, SharedClock, clock_of
from tests.support.clock import Clock
from tests.support.polling import eventually


class Hosts:
    """A host and Redis, whose clocks the test sets. A read takes `delay` seconds.

    Attributes:
        reads: the number of reads of the clock of Redis.
    """

    def __init__(self) -> None:
        self.monotonic, self.wall, self.redis = Clock(50.0), Clock(1000.0), Clock(9000.0)
        self.delay = 0.001
        self.back = 0.001  # seconds from the read to its reply
        self.fails = False
        self.reads = 0
        self.clock = SharedClock(self._read, monotonic=self.monotonic, wall=self.wall)

    def pass_time(self, seconds: float) -> None:
        for each in (self.monotonic, self.wall, self.redis):
            each.now += seconds

    def _read(self) -> float:
        self.reads += 1
        if self.fails:
            raise redis.exceptions.ConnectionError
        self.pass_time(self.delay)
        read = self.redis()
        self.pass_time(self.back)
        return read


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    hosts = Hosts()
    yield hosts
    hosts.clock.close()


def error(hosts: Hosts) -> float:
    return abs(hosts.clock.now() - hosts.redis())


@pytest.mark.parametrize("step", [15.0, -15.0, 3600.0])
def test_a_step_of_the_hosts_clock_changes_nothing(hosts: Hosts, step: float) -> None:
    hosts.clock.sample()
    hosts.wall.now += step
    assert error(hosts) < 0.001
    hosts.pass_time(100.0)
    assert error(hosts) < 0.001


@pytest.mark.parametrize("step", [15.0, -15.0])
def test_a_step_of_the_clock_of_redis_is_followed_at_the_next_sample(
    hosts: Hosts, step: float
) -> None:
    hosts.clock.sample()
    hosts.redis.now += step
    hosts.delay = 0.2
    hosts.clock.sample()
    assert error(hosts) <= 0.11


def test_the_sample_with_the_shortest_round_trip_is_kept(hosts: Hosts) -> None:
    hosts.clock.sample()
    hosts.delay = 3.0  # the request waits, the reply does not: the estimate is wrong by 1.5 s
    for _ in range(5):
        hosts.clock.sample()
        assert error(hosts) < 0.01
    hosts.delay = 0.0001
    hosts.clock.sample()
    assert error(hosts) < 0.001


def test_a_sample_is_replaced_before_two_clocks_have_drifted_apart(hosts: Hosts) -> None:
    hosts.clock.sample()
    hosts.delay = hosts.back = 0.003
    for _ in range(600):
        hosts.pass_time(1.0)
        hosts.redis.now += 0.00005
        hosts.clock.sample()
        assert error(hosts) < 0.01


def test_an_outage_of_redis_keeps_the_last_offset(hosts: Hosts) -> None:
    hosts.clock.sample()
    hosts.fails = True
    hosts.pass_time(1000.0)
    with pytest.raises(redis.exceptions.ConnectionError):
        hosts.clock.sample()
    assert error(hosts) < 0.001


def test_without_any_sample_the_time_is_that_of_the_host(hosts: Hosts) -> None:
    hosts.fails = True
    assert hosts.clock.now() == hosts.wall()
    assert hosts.clock.difference() is None
    assert hosts.reads <= 1 + FIRST_WAIT + 1
    begun = time.monotonic()
    assert hosts.clock.now() == hosts.wall()
    assert time.monotonic() - begun < FIRST_WAIT / 2, "only the first readings wait"


def test_concurrent_first_readings_all_wait_for_the_first_sample() -> None:
    may_reply = threading.Event()

    def read() -> float:
        may_reply.wait(FIRST_WAIT)
        return time.time() + 3600

    clock = SharedClock(read)
    with ThreadPoolExecutor(4) as threads:
        readings = [threads.submit(clock.now) for _ in range(4)]
        time.sleep(0.1)
        may_reply.set()
        differences = [each.result() - time.time() for each in readings]
    clock.close()
    assert min(differences) > 3590


@pytest.mark.parametrize("seconds", [15.0, -15.0])
def test_a_wrong_clock_is_observed_and_logged_once(hosts: Hosts, seconds: float) -> None:
    hosts.wall.now = hosts.redis.now + seconds
    seen: list[float] = []
    hosts.clock.observe(seen.append)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            hosts.clock.sample()
        hosts.wall.now -= seconds
        for _ in range(3):
            hosts.clock.sample()
    assert [round(each) for each in seen] == 3 * [seconds] + 3 * [0]
    assert [each["log_level"] for each in logs] == ["warning", "info"]
    assert logs[0]["seconds_ahead"] == seconds


def test_reading_the_clock_does_not_ask_redis(hosts: Hosts) -> None:
    threads = [
        threading.Thread(target=lambda: [hosts.clock.now() for _ in range(5000)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hosts.reads <= 3  # one a second, whatever the number of readings
    eventually(lambda: hosts.reads >= 1)
    assert error(hosts) < 0.01


def test_a_fork_has_its_own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = RedisSettings()
    own = clock_of(settings)
    assert clock_of(settings) is own
    assert clock_of(RedisSettings(port=1)) is not own
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert clock_of(settings) is not own
