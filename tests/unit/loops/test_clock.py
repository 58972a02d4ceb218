"""Python code and compiled loops use the same clock for deadlines."""

import pytest

from pipeline.loops.clock import deadline_in, is_past


@pytest.mark.parametrize(("seconds", "past"), [(60.0, False), (-0.001, True), (None, False)])
def test_a_loop_sees_a_deadline_on_its_own_clock(seconds: float | None, past: bool) -> None:
    assert is_past(deadline_in(seconds)) is past
