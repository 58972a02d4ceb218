"""A batch tells each lookup whose it is, and each request gets its own answers."""

import time

from api.errors import InternalError
from api.flight import Answer, Flight, Ticket
from pipeline.stages.messages import Lookup, LookupBatch, from_message, to_message


def ticket(*durations: int, meta: str = "", seconds: float = 10) -> Ticket:
    lookups = [Lookup(request=0, duration=duration) for duration in durations]
    return Ticket(lookups, meta, time.monotonic() + seconds, trace_id=f"T{durations[0]}")


def test_the_message_of_a_flight() -> None:
    flight = Flight([ticket(1, 2, meta="m2"), ticket(3)], sent=time.monotonic())
    batch = flight.batch("replies")
    assert batch.reply_to == "replies"
    assert batch.id == flight.id
    assert batch.metas == ["m2", ""]
    assert [(each.request, each.duration) for each in batch.lookups] == [(0, 1), (0, 2), (1, 3)]
    assert flight.size == 3
    assert flight.trace_ids == ["T1", "T3"]
    assert from_message(LookupBatch, to_message(batch)) == batch


def test_a_batch_lives_as_long_as_its_last_request() -> None:
    before = time.time()
    flight = Flight([ticket(1, seconds=5), ticket(2, seconds=60)], sent=time.monotonic())
    assert before + 59 < flight.batch("replies").deadline < time.time() + 61


def test_answers_are_shared_out() -> None:
    tickets = [ticket(1, 2), ticket(3)]
    answers: list[Answer] = [{"results": [number]} for number in range(3)]
    Flight(tickets, sent=0).settle(answers)
    assert [each.answers for each in tickets] == [answers[:2], answers[2:]]
    assert all(each.done.is_set() and each.error is None for each in tickets)


def test_a_failure_is_everybodys() -> None:
    tickets = [ticket(1), ticket(2)]
    error = InternalError()
    Flight(tickets, sent=0).fail(error)
    assert [each.error for each in tickets] == [error, error]
    assert all(each.done.is_set() for each in tickets)
