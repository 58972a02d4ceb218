"""The positions of servers decide which of them may answer a search."""

import pytest

from pipeline.index_http import IndexServerClient
from pipeline.index_http.failover import ServerPositions

ONE, OTHER = IndexServerClient("one", 1, "main"), IndexServerClient("other", 1, "main")
LONG_AGO, LATER = 0.0, float("inf")


@pytest.fixture
def positions() -> ServerPositions:
    """Position 10, observed at one server and reported to the caller."""
    positions = ServerPositions()
    positions.observe(ONE, 10, LONG_AGO)
    positions.report(10)
    return positions


def test_every_server_has_reached_position_0() -> None:
    assert ServerPositions().has_reached(ONE)


def test_a_server_must_be_observed_at_the_reported_position(positions: ServerPositions) -> None:
    assert positions.has_reached(ONE)
    assert not positions.has_reached(OTHER)
    positions.observe(OTHER, 9, LATER)
    assert not positions.has_reached(OTHER)
    positions.observe(OTHER, 11, LATER)
    assert positions.has_reached(OTHER)
    assert positions.reported == 10


def test_a_lower_position_discards_all_earlier_ones(positions: ServerPositions) -> None:
    positions.observe(OTHER, 12, LATER)
    positions.observe(ONE, 4, LATER)
    assert positions.reported == 0
    positions.report(4)
    assert positions.has_reached(ONE)
    assert not positions.has_reached(OTHER)


def test_an_outdated_answer_does_not_count_as_a_lower_position(positions: ServerPositions) -> None:
    positions.observe(ONE, 9, LONG_AGO)
    assert positions.reported == 10
    assert positions.has_reached(ONE)
