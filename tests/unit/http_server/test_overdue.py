"""The time limits of a connection in each of its states."""

import pytest

from http_server.connections import Connection, Overdue, Reading
from http_server.limits import Limits

LIMITS = Limits(
    header_time=10,
    idle_time=60,
    body_time=30,
    body_rate=100,
    body_grace=5,
    discard_time=600,
    reply_time=20,
)


def connection(**state: object) -> Connection:
    made = Connection("", lambda: None, since=0.0)
    for name, value in state.items():
        setattr(made, name, value)
    return made


BODY = {"reading": Reading.BODY, "requests": 1, "is_half_read": True}
DISCARDED = {"reading": Reading.BODY, "requests": 0}
HEADERS = {"reading": Reading.HEADERS}


@pytest.mark.parametrize(
    ("state", "now", "expected"),
    [
        ({}, 59, None),
        ({}, 61, Overdue.IDLE),
        ({"requests": 1}, 1000, None),
        (HEADERS, 9, None),
        (HEADERS, 11, Overdue.HEADERS),
        ({**HEADERS, "requests": 1}, 1000, None),
        ({**BODY, "received": 0}, 4, None),
        ({**BODY, "received": 0}, 6, Overdue.BODY),
        ({**BODY, "received": 150}, 6, None),
        ({**BODY, "received": 150}, 7, Overdue.BODY),
        ({**BODY, "received": 10**6}, 29, None),
        ({**BODY, "received": 10**6}, 31, Overdue.BODY),
        ({**BODY, "requests": 2, "received": 0}, 1000, None),
        ({**BODY, "is_half_read": False}, 1000, None),
        ({**DISCARDED, "received": 10**9}, 599, None),
        ({**DISCARDED, "received": 10**9}, 601, Overdue.BODY),
        ({**DISCARDED, "received": 10}, 6, Overdue.BODY),
        ({"requests": 1, "writing_since": 0.0}, 19, None),
        ({"requests": 1, "writing_since": 0.0}, 21, Overdue.REPLY),
        ({**HEADERS, "requests": 1, "writing_since": 0.0}, 21, Overdue.REPLY),
    ],
)
def test_a_connection_is_overdue_by_its_state(state, now, expected) -> None:
    assert connection(**state).overdue(now, LIMITS) is expected


def test_the_time_limits_begin_at_the_end_of_a_request() -> None:
    one = connection(reading=Reading.HEADERS, requests=1, since=0.0)
    one.end_request(100.0)
    assert one.overdue(109.0, LIMITS) is None
    assert one.overdue(111.0, LIMITS) is Overdue.HEADERS
