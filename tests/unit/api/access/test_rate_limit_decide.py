"""The decision from the counts: whether a request passes, what remains, and when to retry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.access.rate_limit import STEP, STEPS, Tier, decide

NOW = 1_000_000_002.0  # 2 s into a step
STEP_START = 1_000_000_000


def tier(rate: float, bucket: str = "ip") -> Tier:
    return Tier(bucket, "x", rate)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rate", "limit"), [(4, 80), (0.05, 1), (0.01, 1), (0.33, 6), (4.05, 81), (2.5, 50)]
)
def test_a_rate_is_a_number_of_requests_per_window(rate: float, limit: int) -> None:
    assert tier(rate).limit == limit


def test_the_first_request_leaves_the_rest_of_the_limit() -> None:
    decision = decide([tier(4)], [[0, 0, 0, 0]], NOW, counted=True)
    assert decision.passes
    assert decision.state.headers() == {
        "X-RateLimit-Limit": "80",
        "X-RateLimit-Remaining": "79",
        "X-RateLimit-Reset": str(STEP_START + STEPS * STEP),
    }


def test_a_request_that_is_not_counted_leaves_the_limit() -> None:
    decision = decide([tier(4)], [[1, 0, 0, 0]], NOW, counted=False)
    assert decision.state.remaining == 79


def test_the_oldest_step_with_requests_sets_the_reset() -> None:
    decision = decide([tier(4)], [[1, 0, 5, 0]], NOW, counted=True)
    assert decision.state.remaining == 73
    assert decision.state.reset == STEP_START + 2 * STEP


def test_a_refusal_has_a_retry_after() -> None:
    decision = decide([tier(1)], [[0, 5, 5, 10]], NOW, counted=False)
    assert not decision.passes
    assert decision.state.remaining == 0
    assert decision.state.reset == STEP_START + STEP
    assert decision.retry_after == 3


def test_the_reset_after_a_limit_was_lowered() -> None:
    decision = decide([tier(0.5)], [[5, 5, 5, 5]], NOW, counted=False)
    assert decision.state.reset == STEP_START + 3 * STEP


def test_a_refusal_has_the_first_full_tier_and_the_longest_wait() -> None:
    tiers = [tier(1, "app"), tier(1, "global"), tier(1, "ip")]
    counts = [[0, 0, 0, 20], [0, 20, 0, 0], [0, 0, 0, 0]]
    decision = decide(tiers, counts, NOW, counted=False)
    assert decision.state.tier.bucket == "app"
    assert decision.retry_after == 13


def test_a_passing_request_has_the_tier_with_the_fewest_remaining() -> None:
    tiers = [tier(10, "app"), tier(100, "global"), tier(4, "ip")]
    decision = decide(tiers, [[0] * 4] * 3, NOW, counted=True)
    assert decision.state.tier.bucket == "ip"


counts_of_steps = st.lists(st.integers(0, 50), min_size=STEPS, max_size=STEPS)


@given(counts_of_steps, st.integers(1, 100), st.floats(0, 4.99))
def test_retry_after_is_the_first_step_in_which_a_request_passes(
    counts: list[int], limit: int, second: float
) -> None:
    now = STEP_START + second
    decision = decide([tier(limit / (STEP * STEPS))], [counts], now, counted=False)
    assert decision.passes == (sum(counts) < limit)
    if decision.passes:
        return
    steps_away = int(now + decision.retry_after - STEP_START) // STEP
    left = counts[: STEPS - steps_away] if steps_away < STEPS else []
    assert sum(left) < limit
    assert sum(counts[: STEPS - steps_away + 1]) >= limit
