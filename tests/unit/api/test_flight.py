"""A batch tells each lookup whose it is, and each request gets its own answers."""

import time
from threading import Thread

from api.errors import InternalError, ServiceUnavailableError
from api.flight import ABREAST, Answer, Flight, Relay, Ticket
from pipeline.stages.messages import Lookup, LookupBatch, from_message, to_message


def ticket(*durations: int, meta: str = "", seconds: float = 10) -> Ticket:
    lookups = [Lookup(request=0, duration=duration) for duration in durations]
    return Ticket(lookups, meta, time.monotonic() + seconds, trace_id=f"T{durations[0]}")


def settle(tickets: list[Ticket], answers: list[Answer]) -> list[Relay]:
    """Share answers out and wake the first tickets; return the list of relays that have ended."""
    ended: list[Relay] = []
    Flight(tickets, sent=0).settle(answers, ended.append).start()
    return ended


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
    settle(tickets, answers)
    for each in tickets:
        each.wait(0)
    assert [each.answers for each in tickets] == [answers[:2], answers[2:]]
    assert all(each.done.wait(0) and each.error is None for each in tickets)


def test_who_is_woken_wakes_the_next() -> None:
    tickets = [ticket(number) for number in range(1, ABREAST + 3)]
    ended = settle(tickets, [{} for _ in tickets])
    for awake in range(ABREAST, len(tickets) + 1):
        assert [each.done.wait(0) for each in tickets] == [
            number < awake for number in range(len(tickets))
        ]
        assert not ended
        tickets[awake - ABREAST].wait(0)
    assert ended


def test_who_has_gone_is_passed_over() -> None:
    first, second, third = tickets = [ticket(1), ticket(2), ticket(3)]
    first.wait(0)
    second.wait(0)
    assert isinstance(first.error, ServiceUnavailableError)
    ended = settle(tickets, [{} for _ in tickets])
    assert third.done.wait(0)
    third.wait(0)
    assert third.error is None
    assert ended


def test_all_of_many_requests_are_woken_though_some_give_up_meanwhile() -> None:
    tickets = [ticket(number) for number in range(1, 81)]
    patience = [
        0.0 if number % 7 == 0 else 0.05 if number % 5 == 0 else 30.0 for number in range(80)
    ]
    threads = [
        Thread(target=each.wait, args=(most,)) for each, most in zip(tickets, patience, strict=True)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    ended = settle(tickets, [{"results": [number]} for number in range(80)])
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert ended
    assert all(
        each.error is None for each, most in zip(tickets, patience, strict=True) if most == 30.0
    )


def test_a_relay_whose_requests_have_all_gone_ends_at_once() -> None:
    alone = ticket(1)
    alone.wait(0)
    assert len(settle([alone], [{}])) == 1


def test_a_failure_is_everybodys() -> None:
    tickets = [ticket(1), ticket(2)]
    error = InternalError()
    Flight(tickets, sent=0).fail(error)
    assert [each.error for each in tickets] == [error, error]
    assert all(each.done.wait(0) for each in tickets)
