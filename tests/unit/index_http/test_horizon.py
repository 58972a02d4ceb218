"""What may be asked of which server, once a position was told."""

import pytest

from pipeline.index_http import IndexServer
from pipeline.index_http.horizon import Horizon

ONE, OTHER = IndexServer("one", 1, "main"), IndexServer("other", 1, "main")
LONG_AGO, LATER = 0.0, float("inf")


@pytest.fixture
def horizon() -> Horizon:
    horizon = Horizon()
    horizon.see(ONE, 10, LONG_AGO)
    horizon.tell(10)
    return horizon


def test_before_anything_is_told_every_server_reaches_it() -> None:
    assert Horizon().reaches(ONE)


def test_a_server_must_have_been_seen_at_what_was_told(horizon: Horizon) -> None:
    assert horizon.reaches(ONE)
    assert not horizon.reaches(OTHER)
    horizon.see(OTHER, 9, LATER)
    assert not horizon.reaches(OTHER)
    horizon.see(OTHER, 11, LATER)
    assert horizon.reaches(OTHER)
    assert horizon.told == 10


def test_an_index_built_anew_begins_a_new_count(horizon: Horizon) -> None:
    horizon.see(OTHER, 12, LATER)
    horizon.see(ONE, 4, LATER)
    assert horizon.told == 0
    horizon.tell(4)
    assert horizon.reaches(ONE)
    assert not horizon.reaches(OTHER)


def test_a_reply_that_was_overtaken_is_no_step_back(horizon: Horizon) -> None:
    horizon.see(ONE, 9, LONG_AGO)
    assert horizon.told == 10
    assert horizon.reaches(ONE)
