"""When batches are sent: the table of the policy's rules."""

import math

import pytest

from api.lookups.batch_policy import HOLD_BACK, BatchPolicy

NEVER = math.inf
ONE = BatchPolicy(size=10, in_flight=1)
TWO = BatchPolicy(size=10, in_flight=2)
THREE = BatchPolicy(size=10, in_flight=3)
NO_HOLD = BatchPolicy(size=10, in_flight=2, hold_back=0.0)
ODD = BatchPolicy(size=5, in_flight=2)
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
        # As many are in flight as may be: the next one is sent when one of them stalls.
        (ONE, 1, [100.0], 100.3, 101.0),
        (ONE, 10, [100.0], 100.3, 101.0),
        (TWO, 10, [100.0, 100.5], 100.6, 101.0),
        (TWO, 10, [100.5, 100.0], 100.6, 101.0),
        (TWO, 10, [100.0, 100.1, 100.2], 100.6, 101.1),  # one that stalled, and was counted again
        # Beside a batch in flight, a few lookups are held back for a time after the last one.
        (TWO, 1, [100.0], 100.01, 100.0 + HOLD_BACK),
        (TWO, 4, [100.0], 100.01, 100.0 + HOLD_BACK),
        (TWO, 1, [100.0], 100.5, 100.0 + HOLD_BACK),  # passed
        (THREE, 1, [100.0, 100.2], 100.21, 100.2 + HOLD_BACK),
        # Half a batch is not held back.
        (TWO, 5, [100.0], 100.01, 100.01),
        (ODD, 2, [100.0], 100.01, 100.0 + HOLD_BACK),
        (ODD, 3, [100.0], 100.01, 100.01),
        # Without holding back.
        (NO_HOLD, 1, [100.0], 100.01, 100.0),
        (NO_HOLD, 1, [100.0, 100.01], 100.02, 101.0),
        # A batch that has stalled is not counted.
        (ONE, 1, [100.0], 101.0, 101.0),
        (ONE, 1, [100.0], 150.0, 150.0),
        (TWO, 1, [100.0, 100.9], 101.0, 100.9 + HOLD_BACK),
        (TWO, 1, [100.0, 100.1], 101.2, 101.2),
        # A time of holding back that is longer than that of stalling.
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
def test_at_the_time_that_it_names_the_batch_is_sent_or_a_later_time_is_named(
    policy: BatchPolicy, sent: list[float], waiting: int
) -> None:
    now, steps = 0.71, 0
    while (then := policy.send_at(waiting, sent, now)) > now:
        now, steps = then, steps + 1
        assert steps <= len(sent) + 1
    assert now <= 0.7 + policy.stalled_after
