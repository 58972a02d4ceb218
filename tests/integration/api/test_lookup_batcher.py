"""Tests of the batcher with a real Redis: batches, deadlines, failures and the end."""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog
from kombu.exceptions import OperationalError

from api.http.errors import InternalError, ServiceUnavailableError
from api.lookups.batch_policy import BatchPolicy
from api.lookups.batcher import BACKLOG
from cli.stack.servers.ports import LOOPBACK
from pipeline.messages import Lookup, LookupBatch, LookupReply
from pipeline.runtime.redis_client import connect
from pipeline.runtime.trace import current_trace_id, trace
from pipeline.settings.sections import RedisSettings, Settings
from tasks.redis_state import lookup_replies
from tests.support.clients.batchers import make_batcher
from tests.support.clients.lookup_worker import Answer, Answering
from tests.support.metrics import Counted
from tests.support.polling import eventually
from tests.support.processes.scratch_redis import on_scratch, scratch_redis
from tests.support.processes.servers import PASSWORD, Servers, make_valkey, running

LONG = 30.0


def asking(*durations: int) -> list[Lookup]:
    return [Lookup(request=-1, duration=duration) for duration in durations]


def expected(*durations: int) -> list[Answer]:
    return [{"results": [{"id": str(duration), "score": 1.0}]} for duration in durations]


@dataclass(frozen=True)
class WatchedPolicy(BatchPolicy):
    """A policy that records the number of waiting lookups of each call."""

    waiting: list[int] = field(default_factory=list)

    def send_at(self, waiting: int, sent: Iterable[float], now: float) -> float:
        self.waiting.append(waiting)
        return super().send_at(waiting, sent, now)


class Front:
    """A batcher, the worker that answers it, and threads that look up."""

    def __init__(
        self,
        redis_settings: RedisSettings,
        size: int = 100,
        in_flight: int = 2,
        *,
        hold_back: float = 0.025,
        stalled_after: float = LONG,
        lost_after: float = LONG,
    ) -> None:
        self.metrics = Counted()
        self.worker = Answering(connect(redis_settings))
        self.policy = WatchedPolicy(size, in_flight, hold_back, stalled_after)
        self.batcher = make_batcher(
            redis_settings,
            self.policy,
            self._forward,
            self.metrics,
            lost_after,
        )
        self.send: Callable[[LookupBatch], None] = self.worker.send
        self.threads = ThreadPoolExecutor(256)

    def _forward(self, batch: LookupBatch) -> None:
        self.send(batch)

    def look_up(
        self, *durations: int, timeout: float = LONG, meta: str = "", client: str = ""
    ) -> "Future[list[Answer]]":
        deadline = time.monotonic() + timeout
        return self.threads.submit(self.batcher.look_up, asking(*durations), meta, deadline, client)

    def close(self) -> None:
        self.batcher.close()
        self.threads.shutdown()


@pytest.fixture
def make(settings: Settings) -> Iterator[Callable[..., Front]]:
    """Return a function that makes a front with options of its own."""
    made: list[Front] = []
    with scratch_redis(settings):

        def make(**options: Any) -> Front:
            made.append(Front(options.pop("redis", on_scratch(settings).redis), **options))
            return made[-1]

        yield make
        for front in made:
            front.close()


def test_a_lookup_is_answered(make) -> None:
    front = make()
    assert front.look_up(241).result() == expected(241)
    (batch,) = front.worker.batches
    assert [lookup.request for lookup in batch.lookups] == [0]
    assert batch.reply_to == front.batcher.reply_to


def test_each_request_gets_its_own_answers(make) -> None:
    front = make(size=40)
    futures = {
        number: front.look_up(*range(number, number + 1 + number % 5), meta=str(number))
        for number in range(200)
    }
    for number, future in futures.items():
        assert future.result() == expected(*range(number, number + 1 + number % 5))
    for batch in front.worker.batches:
        assert len(batch.lookups) <= 40
        for lookup in batch.lookups:
            number = int(batch.metas[lookup.request])
            assert number <= lookup.duration <= number + number % 5


def test_lookups_that_wait_for_batches_in_flight_share_the_next_batch(make) -> None:
    front = make(in_flight=2)
    front.worker.held = True
    futures = []
    for number in (1, 2):  # one after the other, so that they do not share a batch
        futures.append(front.look_up(number))
        front.worker.wait_for(number)
    with structlog.testing.capture_logs() as logs:
        futures += [front.look_up(number) for number in range(3, 43)]
        wait_for_queue(front, 40)
        assert len(front.worker.batches) == 2
        front.worker.release()
        results = [future.result() for future in futures]
    assert results == [expected(number) for number in range(1, 43)]
    sizes = [len(batch.lookups) for batch in front.worker.batches]
    assert sizes == [1, 1, 40]
    assert front.metrics.counts["pipeline.batch_items_total.front_end"] == 42
    assert front.metrics.counts["pipeline.batches_total.front_end"] == 3
    sent = [entry for entry in logs if entry["event"] == "lookups sent"]
    assert [(entry["log_level"], entry["lookups"]) for entry in sent] == [("debug", 40)]


def wait_for_queue(front: Front, lookups: int) -> None:
    """Wait until so many lookups are in the queue."""
    eventually(lambda: front.policy.waiting[-1:] == [lookups])


@pytest.mark.parametrize(("hold_back", "sizes"), [(0.0, [1, 1]), (LONG, [1])])
def test_a_batch_is_held_back_while_another_is_in_flight(make, hold_back, sizes) -> None:
    front = make(hold_back=hold_back)
    front.worker.held = True
    futures = [front.look_up(1)]
    front.worker.wait_for(1)
    futures.append(front.look_up(2))
    if hold_back:
        wait_for_queue(front, 1)
    else:
        front.worker.wait_for(2)
    assert [len(batch.lookups) for batch in front.worker.batches] == sizes
    front.worker.release()
    assert [future.result() for future in futures] == [expected(1), expected(2)]


def test_only_requests_that_timed_out_have_no_answer(make) -> None:
    front = make(size=20, in_flight=1)
    front.worker.held = True
    timeouts = [
        0.0 if number % 7 == 0 else 0.1 if number % 5 == 0 else LONG for number in range(80)
    ]
    futures = [front.look_up(number, timeout=timeout) for number, timeout in enumerate(timeouts)]
    for future, timeout in zip(futures, timeouts, strict=True):
        if timeout != LONG:
            with pytest.raises(ServiceUnavailableError):
                future.result()
    front.worker.release()
    for number, (future, timeout) in enumerate(zip(futures, timeouts, strict=True)):
        if timeout == LONG:
            assert future.result() == expected(number)
    assert front.look_up(99).result() == expected(99)
    assert [lookup.duration for lookup in front.worker.batches[-1].lookups] == [99]


def test_a_full_batch_leaves_the_rest_for_the_next(make) -> None:
    front = make(in_flight=1, size=10)
    front.worker.held = True
    first = front.look_up(1)
    front.worker.wait_for(1)
    futures = [front.look_up(number, number) for number in range(12)]
    wait_for_queue(front, 24)
    front.worker.release()
    assert first.result() == expected(1)
    assert [future.result() for future in futures] == [expected(n, n) for n in range(12)]
    assert [len(batch.lookups) for batch in front.worker.batches] == [1, 10, 10, 4]


def test_a_request_larger_than_a_batch_is_sent_alone(make) -> None:
    front = make(size=10)
    assert front.look_up(*range(120)).result() == expected(*range(120))
    assert [len(batch.lookups) for batch in front.worker.batches] == [120]


def test_an_unanswered_batch_does_not_delay_the_others_for_long(make) -> None:
    front = make(in_flight=1, stalled_after=0.05)
    front.worker.held = True
    stalled = front.look_up(1)
    (kept,) = front.worker.wait_for(1)
    front.worker.held = False
    assert front.look_up(2).result() == expected(2)
    assert not stalled.done()
    front.worker.reply(kept)
    assert stalled.result() == expected(1)


def test_an_unanswered_batch_is_sent_a_second_time(make) -> None:
    front = make(lost_after=0.05)
    front.worker.held = True
    future = front.look_up(1)
    lost, again = front.worker.wait_for(2)
    assert again == dataclasses.replace(lost, deadline=again.deadline)
    front.worker.reply(again)
    assert future.result() == expected(1)
    front.worker.reply(lost)  # a second reply, which is ignored
    front.worker.release([])
    assert front.look_up(2).result() == expected(2)
    assert len(front.worker.batches) == 3


def test_clients_are_taken_in_turn(make) -> None:
    front = make(in_flight=1, size=4)
    front.worker.held = True
    futures = [front.look_up(1)]
    front.worker.wait_for(1)
    futures += [front.look_up(number, client="eager") for number in range(2, 9)]
    wait_for_queue(front, 7)
    futures.append(front.look_up(9, client="modest"))
    wait_for_queue(front, 8)
    front.worker.release()
    assert [future.result() for future in futures] == [expected(n) for n in range(1, 10)]
    assert 9 in [lookup.duration for lookup in front.worker.batches[1].lookups]


def test_a_request_without_an_answer_in_time_is_an_error_503(make) -> None:
    front = make(in_flight=1)
    front.worker.held = True
    patient = front.look_up(1, timeout=0.3)
    (kept,) = front.worker.wait_for(1)
    waiting = front.look_up(2, timeout=0.05)
    with pytest.raises(ServiceUnavailableError):
        waiting.result()
    with pytest.raises(ServiceUnavailableError):
        patient.result()
    front.worker.release([])
    front.worker.reply(kept)  # too late, so it is ignored
    assert front.look_up(3).result() == expected(3)
    assert len(front.worker.batches) == 2


def test_a_batch_that_failed_is_an_internal_error(make) -> None:
    front = make()
    front.worker.held = True
    future = front.look_up(1)
    front.worker.reply(front.worker.wait_for(1)[0], failed=True)
    with pytest.raises(InternalError):
        future.result()


def test_a_reply_of_the_wrong_length_is_an_internal_error(make) -> None:
    front = make()
    front.worker.held = True
    future = front.look_up(1, 2)
    (batch,) = front.worker.wait_for(1)
    lookup_replies.push(front.worker.client, batch.reply_to, LookupReply(batch.id, expected(1)))
    with pytest.raises(InternalError):
        future.result()


def test_a_reply_that_cannot_be_read_does_not_stop_the_reader(make) -> None:
    front = make()
    front.worker.held = True
    future = front.look_up(1)
    front.worker.wait_for(1)
    with structlog.testing.capture_logs() as logs:
        front.worker.client.rpush(front.batcher.reply_to, b"\xc1")
        front.worker.release()
        assert future.result() == expected(1)
    assert "a reply could not be read" in [entry["event"] for entry in logs]


@pytest.mark.parametrize(
    ("error", "raised"),
    [(OperationalError("refused"), ServiceUnavailableError), (KeyError("bug"), InternalError)],
)
def test_a_batch_that_cannot_be_sent_fails_at_once_and_the_next_does_not(
    make, error, raised
) -> None:
    front = make()

    def fail(_: LookupBatch) -> None:
        raise error

    front.send = fail
    with structlog.testing.capture_logs() as logs, pytest.raises(raised):
        front.look_up(1).result()
    assert [entry["log_level"] for entry in logs] == ["error"]
    front.send = front.worker.send
    assert front.look_up(2).result() == expected(2)


def test_lookups_beyond_the_backlog_are_refused(make) -> None:
    front = make(size=1, in_flight=1)
    front.worker.held = True
    future = front.look_up(*range(BACKLOG))
    front.worker.wait_for(1)
    with pytest.raises(ServiceUnavailableError):
        front.batcher.look_up(asking(1), "", time.monotonic() + LONG)
    front.worker.release()
    future.result()
    assert front.look_up(1).result() == expected(1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_started_again(make) -> None:
    front = make(in_flight=2)

    class Fatal(BaseException):
        """An exception that no handler catches."""

    senders: list[threading.Thread] = []

    def die(_: LookupBatch) -> None:
        senders.append(threading.current_thread())
        raise Fatal

    front.send = die
    with pytest.raises(ServiceUnavailableError):
        front.look_up(1, timeout=0.05).result()
    [sender] = senders
    sender.join(LONG)
    assert not sender.is_alive()
    front.send = front.worker.send
    with structlog.testing.capture_logs() as logs:
        assert front.look_up(2).result() == expected(2)
    assert [entry["log_level"] for entry in logs if "died" in entry["event"]] == ["error"]


def test_lookups_are_answered_again_after_an_outage_of_redis(servers: Servers, make) -> None:
    valkey = make_valkey(servers.folder / "batcher")
    valkey.log.parent.mkdir()
    here = RedisSettings.model_validate(
        {"host": LOOPBACK, "port": valkey.port, "password": PASSWORD}
    )
    front = make(redis=here)
    front.send = lambda _: None
    with pytest.raises(ServiceUnavailableError):
        front.look_up(1, timeout=0.5).result()
    with running(valkey):
        front.send = front.worker.send

        def answers() -> bool:
            with suppress(ServiceUnavailableError):  # until Redis is tried again
                return front.look_up(2).result() == expected(2)
            return False

        eventually(answers)


def test_closing_fails_all_requests_and_ends_all_threads(make) -> None:
    before = set(threading.enumerate())
    front = make(in_flight=1)
    front.worker.held = True
    futures = [front.look_up(1)]
    front.worker.wait_for(1)
    futures.append(front.look_up(2))
    wait_for_queue(front, 1)
    front.batcher.close()
    for future in futures:
        with pytest.raises(ServiceUnavailableError):
            future.result()
    with pytest.raises(ServiceUnavailableError):
        front.batcher.look_up(asking(3), "", time.monotonic() + LONG)
    front.threads.shutdown()
    assert set(threading.enumerate()) <= before


def test_a_batcher_that_was_never_used_can_be_closed(make) -> None:
    make().batcher.close()


def test_a_batch_of_one_request_has_the_trace_id_of_the_request(make) -> None:
    front = make()
    seen: list[str | None] = []

    def send(batch: LookupBatch) -> None:
        seen.append(current_trace_id())
        front.worker.send(batch)

    front.send = send
    with trace("REQUEST"):
        front.batcher.look_up(asking(1), "", time.monotonic() + LONG)
    assert seen == ["REQUEST"]


def test_a_shared_batch_has_its_own_trace_id_and_logs_those_of_the_requests(make) -> None:
    front = make(in_flight=1)
    front.worker.held = True
    first = front.look_up(1)
    front.worker.wait_for(1)
    seen: list[str | None] = []

    def send(batch: LookupBatch) -> None:
        seen.append(current_trace_id())
        front.worker.send(batch)

    def run(number: int) -> list[Answer]:
        with trace(f"T{number}"):
            return front.batcher.look_up(asking(number), "", time.monotonic() + LONG)

    front.send = send
    with structlog.testing.capture_logs() as logs:
        futures = [front.threads.submit(run, number) for number in (2, 3)]
        wait_for_queue(front, 2)
        front.worker.release()
        for future in [first, *futures]:
            future.result()
    # The first batch may be logged late: the sender logs it after the worker has it.
    sent = [entry for entry in logs if entry["event"] == "lookups sent"]
    (entry,) = [entry for entry in sent if entry["lookups"] > 1]
    assert sorted(entry["requests"]) == ["T2", "T3"]
    assert seen[0] not in {None, "T2", "T3"}


def test_an_answered_lookup_leaves_no_key_in_redis(make) -> None:
    front = make()
    front.look_up(1).result()
    assert list(front.worker.client.scan_iter()) == []
