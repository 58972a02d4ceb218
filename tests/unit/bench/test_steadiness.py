"""How steadily a machine works, from what it did in each moment."""

from bench.steadiness import SPAN, speeds, summary


def test_a_steady_machine_is_as_fast_at_any_time() -> None:
    assert summary([[3.0] * 20, [5.0] * 20]) == {
        "span_ms": 50,
        "slowest_tenth": 1.0,
        "slowest_hundredth": 1.0,
    }


def test_slow_moments_of_any_core_count() -> None:
    steady, slow = [4.0] * 100, [*[8.0] * 85, *[4.0] * 15]
    assert summary([slow, slow])["slowest_tenth"] == 0.5
    found = summary([steady, [*[8.0] * 97, *[4.0] * 3]])
    assert found["slowest_tenth"] == 1.0
    assert found["slowest_hundredth"] == 0.5


def test_speeds_are_of_one_span_each() -> None:
    found = speeds(4 * SPAN)
    assert 1 <= len(found) <= 4
    assert min(found) > 0
