"""The due time and the expiry of a message do not depend on the clocks of its two hosts."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.clocks.message_times import DELAY_HEADER, LIFETIME_HEADER, local_time, stamp
from tasks.redis_state.queue_lengths import SENT_HEADER

SHARED = 5_000_000.0


def at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def headers(**seconds: float) -> dict[str, Any]:
    """Return the headers that Celery makes, with times in seconds since the epoch."""
    return {"eta": None, "expires": None, **{name: at(each) for name, each in seconds.items()}}


@pytest.mark.parametrize("publisher", [-3600.0, -15.0, 0.0, 15.0, 3600.0])
@pytest.mark.parametrize("worker", [-15.0, 0.0, 15.0])
def test_the_clocks_of_both_hosts_do_not_matter(publisher: float, worker: float) -> None:
    wall = SHARED + publisher
    message = headers(eta=wall + 2, expires=wall + 5)
    stamp(message, SHARED, wall)
    arrived = SHARED + 1
    due = local_time(message, DELAY_HEADER, arrived, arrived + worker)
    expires = local_time(message, LIFETIME_HEADER, arrived, arrived + worker)
    assert due
    assert expires
    assert due.timestamp() - (arrived + worker) == pytest.approx(1, abs=1e-3)
    assert expires.timestamp() - (arrived + worker) == pytest.approx(4, abs=1e-3)


def test_a_message_without_times_has_only_the_time_of_publishing() -> None:
    message = headers()
    stamp(message, SHARED, 7.0)
    assert message == {**headers(), SENT_HEADER: SHARED}


def test_a_retry_has_the_lifetime_of_its_first_message() -> None:
    """Celery publishes it with the expiry that the clock of the first publisher gave."""
    first = headers(expires=1_000_005.0)
    stamp(first, SHARED, 1_000_000.0)
    retry = {**first, "eta": at(2_000_003.0)}
    stamp(retry, SHARED + 4, 2_000_000.0)
    assert retry[SENT_HEADER] == SHARED + 4
    assert retry[LIFETIME_HEADER] == pytest.approx(5)
    assert retry[DELAY_HEADER] == pytest.approx(3)


@pytest.mark.parametrize(
    "message", [{}, {SENT_HEADER: SHARED}, {DELAY_HEADER: 1.0}, {SENT_HEADER: "x"}]
)
def test_a_message_of_an_earlier_version_has_no_time(message: dict[str, Any]) -> None:
    assert local_time(message, DELAY_HEADER, SHARED, SHARED) is None
