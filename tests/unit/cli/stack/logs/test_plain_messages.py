"""Logged errors in plain words."""

import pytest

from cli.stack.logs.plain_messages import plain, without_fields


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no fields", "no fields"),
        ("no replies trace_id=NG3Z error=TimeoutError", "no replies"),
        ('not written error="a \\"b\\" = c" task.id=7', "not written"),
        ("a=b is in the middle", "a=b is in the middle"),
        (
            'it cannot be used reason="Redis at x:1: no" trace_id=A',
            "it cannot be used: Redis at x:1: no",
        ),
    ],
)
def test_fields_at_the_end_are_cut_except_a_reason(text: str, message: str) -> None:
    assert without_fields(text) == message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "beat raised exception <class 'redis.exceptions.TimeoutError'>: network:TimeoutError",
            "beat failed: Redis does not reply",
        ),
        ("beat raised exception <class 'a.b.OddError'>: no", "beat failed: OddError: no"),
        (
            "consumer: Cannot connect to redis://:**@127.0.0.1:6379/0: Error 111 connecting to x:1",
            "Redis does not reply",
        ),
        (
            "Task a.b[7c] raised unexpected: E('connection to server at \"x\" failed: late')",
            "the task a.b failed: PostgreSQL does not reply",
        ),
        (
            'connection to server at "x" failed: FATAL:  password authentication failed',
            'connection to server at "x" failed: FATAL:  password authentication failed',
        ),
        (
            "Task index.update[b77c] raised unexpected: SoftTimeLimitExceeded()",
            "the task index.update failed: it exceeded its time limit",
        ),
        ("the disk is full", "the disk is full"),
    ],
)
def test_texts_of_libraries_are_plain_words(text: str, words: str) -> None:
    assert plain(text) == words
