"""The steadiness of a machine, from its speed in each span."""

from bench.measuring import SPAN, measure_speeds, summarize_steadiness


def test_a_constant_speed_gives_shares_of_1() -> None:
    assert summarize_steadiness([[3.0] * 20, [5.0] * 20]) == {
        "span_ms": 50,
        "slowest_tenth": 1.0,
        "slowest_hundredth": 1.0,
    }


def test_slow_spans_of_all_cores_count() -> None:
    steady, slow = [4.0] * 100, [*[8.0] * 85, *[4.0] * 15]
    assert summarize_steadiness([slow, slow])["slowest_tenth"] == 0.5
    found = summarize_steadiness([steady, [*[8.0] * 97, *[4.0] * 3]])
    assert found["slowest_tenth"] == 1.0
    assert found["slowest_hundredth"] == 0.5


def test_there_is_one_speed_per_span() -> None:
    found = measure_speeds(4 * SPAN)
    assert 1 <= len(found) <= 4
    assert min(found) > 0
