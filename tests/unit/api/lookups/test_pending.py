"""Tests of a batch: its message, its deadline, and the answers and errors of its requests."""

import time

import pytest

from api.http.errors import InternalError
from api.lookups.pending import Answer, Batch, PendingRequest
from pipeline.messages import Lookup, LookupBatch, from_message, to_message


def pending(*durations: int, meta: str = "", seconds: float = 10) -> PendingRequest:
    lookups = [Lookup(request=0, duration=duration) for duration in durations]
    deadline = time.monotonic() + seconds
    return PendingRequest(lookups, meta, deadline, trace_id=f"T{durations[0]}")


def test_the_message_of_a_batch() -> None:
    batch = Batch([pending(1, 2, meta="m2"), pending(3)], sent=time.monotonic())
    message = batch.message("replies", 1_000_000.0)
    assert message.reply_to == "replies"
    assert message.id == batch.id
    assert message.metas == ["m2", ""]
    assert [(each.request, each.duration) for each in message.lookups] == [(0, 1), (0, 2), (1, 3)]
    assert batch.size == 3
    assert batch.trace_ids == ["T1", "T3"]
    assert from_message(LookupBatch, to_message(message)) == message


def test_the_deadline_of_a_batch_is_that_of_its_last_request() -> None:
    batch = Batch([pending(1, seconds=5), pending(2, seconds=60)], sent=time.monotonic())
    # By the clock of Redis, whatever the clock of this host.
    assert 1_000_059 < batch.message("replies", 1_000_000.0).deadline <= 1_000_060


def test_each_request_gets_its_own_answers() -> None:
    requests = [pending(1, 2), pending(3)]
    answers: list[Answer] = [{"results": [number]} for number in range(3)]
    Batch(requests, sent=0).resolve(answers)
    assert [each.future.result(0) for each in requests] == [answers[:2], answers[2:]]


def test_each_request_gets_an_error_of_its_own() -> None:
    requests = [pending(1), pending(2)]
    Batch(requests, sent=0).fail(InternalError)
    errors = []
    for each in requests:
        with pytest.raises(InternalError) as raised:
            each.future.result(0)
        errors.append(raised.value)
    assert errors[0] is not errors[1]
