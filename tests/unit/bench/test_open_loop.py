"""The open-loop driver's parts: arrivals, the query file, answers as they come in."""

import io

import pytest

from bench.open_loop import Queries, Tally, arrivals, parse_answer

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length: 4\r\n\r\nbody"


def test_arrivals_come_at_the_rate():
    moments = list(arrivals(rate=1000, seconds=10))
    assert len(moments) == pytest.approx(10_000, rel=0.05)
    assert moments == sorted(moments)
    assert moments[-1] < 10


def test_an_answer_is_complete_with_its_last_byte():
    for end in range(len(ANSWER)):
        assert parse_answer(ANSWER[:end]) is None
    assert parse_answer(ANSWER) == (200, b"body")


def test_an_answer_without_a_length_is_refused():
    with pytest.raises(ValueError, match="Content-Length"):
        parse_answer(b"HTTP/1.1 200 OK\r\n\r\n")


def test_queries_begin_again_after_the_last():
    queries = Queries(io.BytesIO(b"1left out\n1a=1\n0b=2\n1left out\n"), 10, 20)
    assert [queries.next() for _ in range(3)] == [b"a=1", b"b=2", b"a=1"]
    assert (queries.asked, queries.known, queries.rounds) == (3, 2, 1)


def test_answers_are_told_apart():
    tally = Tally()
    tally.add(0.1, 200, b'{"results": [{"id": "x", "score": 1.0}]}')
    tally.add(0.1, 200, b'{"results": []}')
    tally.add(0.1, 429, b"")
    assert (tally.found, tally.none, tally.refused) == (1, 1, 1)
