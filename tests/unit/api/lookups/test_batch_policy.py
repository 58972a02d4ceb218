"""Tests of the times at which the policy sends batches."""

import math

import pytest

from api.lookups.batch_policy import BatchPolicy

NEVER = math.inf
HOLD_BACK = 0.025
ONE = BatchPolicy(size=10, in_flight=1, hold_back=HOLD_BACK)
TWO = BatchPolicy(size=10, in_flight=2, hold_back=HOLD_BACK)
THREE = BatchPolicy(size=10, in_flight=3, hold_back=HOLD_BACK)
NO_HOLD = BatchPolicy(size=10, in_flight=2, hold_back=0.0)
ODD = BatchPolicy(size=5, in_flight=2, hold_back=HOLD_BACK)
SLOW = BatchPolicy(size=10, in_flight=2, hold_back=5.0)


@pytest.mark.parametrize(
    ("policy", "waiting", "sent", "now", "expected"),
    [
        # Nothing waits.
        (TWO, 0, [], 100.0, NEVER),
        (TWO, 0, [100.0], 100.0, NEVER),
        # Nothing is in flight.
        (TWO, 1, [], 100.0, 100.0),
        (TWO, 25, [], 100.0, 100.0),
        # The limit of batches in flight is reached: the next is sent when one of them stalls.
        (ONE, 1, [100.0], 100.3, 101.0),
        (ONE, 10, [100.0], 100.3, 101.0),
        (TWO, 10, [100.0, 100.5], 100.6, 101.0),
        (TWO, 10, [100.5, 100.0], 100.6, 101.0),
        (TWO, 10, [100.0, 100.1, 100.2], 100.6, 101.1),  # the first has stalled
        # While a batch is in flight, a few lookups wait for `HOLD_BACK` after the last batch.
        (TWO, 1, [100.0], 100.01, 100.0 + HOLD_BACK),
        (TWO, 4, [100.0], 100.01, 100.0 + HOLD_BACK),
        (TWO, 1, [100.0], 100.5, 100.0 + HOLD_BACK),  # in the past: send now
        (THREE, 1, [100.0, 100.2], 100.21, 100.2 + HOLD_BACK),
        # Half a batch does not wait.
        (TWO, 5, [100.0], 100.01, 100.01),
        (ODD, 2, [100.0], 100.01, 100.0 + HOLD_BACK),
        (ODD, 3, [100.0], 100.01, 100.01),
        # Without `hold_back`.
        (NO_HOLD, 1, [100.0], 100.01, 100.0),
        (NO_HOLD, 1, [100.0, 100.01], 100.02, 101.0),
        # A batch that has stalled is not counted.
        (ONE, 1, [100.0], 101.0, 101.0),
        (ONE, 1, [100.0], 150.0, 150.0),
        (TWO, 1, [100.0, 100.9], 101.0, 100.9 + HOLD_BACK),
        (TWO, 1, [100.0, 100.1], 101.2, 101.2),
        # A `hold_back` above `stalled_after`.
        (SLOW, 1, [100.0], 100.5, 101.0),
    ],
)
def test_when_the_next_batch_is_sent(
    policy: BatchPolicy, waiting: int, sent: list[float], now: float, expected: float
) -> None:
    assert policy.send_at(waiting, sent, now) == expected


@pytest.mark.parametrize("policy", [ONE, TWO, THREE, NO_HOLD, ODD, SLOW])
@pytest.mark.parametrize("sent", [[], [0.1], [0.1, 0.3], [0.1, 0.2, 0.7]])
@pytest.mark.parametrize("waiting", [1, 5, 10])
def test_following_the_returned_times_leads_to_sending(
    policy: BatchPolicy, sent: list[float], waiting: int
) -> None:
    now, steps = 0.71, 0
    while (then := policy.send_at(waiting, sent, now)) > now:
        now, steps = then, steps + 1
        assert steps <= len(sent) + 1
    assert now <= 0.7 + policy.stalled_after
