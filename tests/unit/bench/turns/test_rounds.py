"""The order of a round, and the validity of a window."""

from collections import Counter

import pytest

from bench.turns.rounds import order, to_result
from cli.errors import StackError


def window(**answers: int):
    given = {"refused": 0, "errors": 0, "unexpected": 0, "requests": 1000, **answers}
    requests = given.pop("requests")
    return {
        "connections": 32,
        "requests": requests,
        "requests_per_second": 200.0,
        "latency_ms": {"p50": 2.0, "p95": 3.0, "p99": 4.0, "max": 5.0},
        "cpu_ms_per_request": {"front_end": 0.5, "total": 0.75},
        "answers": given,
    }


def test_two_variants_alternate_in_the_order_of_rounds():
    turns = ["".join(order("AB", turn)) for turn in range(4)]
    assert turns == ["AB", "BA", "BA", "AB"]


@pytest.mark.parametrize("names", ["A", "AB", "ABC", "ABCDE"])
def test_all_variants_have_each_position_equally_often(names):
    turns = [order(names, turn) for turn in range(2 * len(names))]
    assert all(sorted(each) == list(names) for each in turns)
    assert set(Counter(each[0] for each in turns).values()) == {2}
    before = Counter(
        (first, second)
        for each in turns
        for place, first in enumerate(each)
        for second in each[place + 1 :]
    )
    assert len(set(before.values())) <= 1


def test_a_result_has_the_compared_figures():
    found = to_result("this", 3, window())
    assert (found.variant, found.turn, found.connections) == ("this", 3, 32)
    assert (found.cpu_ms["total"], found.rate, found.p50_ms, found.p99_ms) == (0.75, 200, 2, 4)


@pytest.mark.parametrize("wrong", ["refused", "errors"])
def test_one_failed_request_is_an_error(wrong):
    with pytest.raises(StackError, match="other, round 4, 32 connections: 1000 replies"):
        to_result("other", 3, window(**{wrong: 1}))


def test_a_window_without_replies_is_an_error():
    with pytest.raises(StackError, match=": 0 replies"):
        to_result("this", 0, window(requests=0))


def test_1_percent_of_the_results_may_be_wrong():
    to_result("this", 0, window(unexpected=10))
    with pytest.raises(StackError, match="11 wrong results"):
        to_result("this", 0, window(unexpected=11))
