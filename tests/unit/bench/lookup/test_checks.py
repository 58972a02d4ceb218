"""Verdicts on the results of lookups."""

from uuid import UUID

import pytest

from bench.lookup.checks import judge
from bench.lookup.queries import BenchLookup

TRACK = UUID("11111111-2222-4333-8444-555555555555")


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        ([{"id": str(TRACK), "score": 0.9}], "right"),
        ([{"id": str(TRACK), "score": 0.5}], "low_score"),
        ([{"id": str(UUID(int=1)), "score": 0.9}, {"id": str(TRACK), "score": 0.9}], "wrong_track"),
        ([], "missed"),
    ],
)
def test_verdicts_on_a_known_query(results, verdict):
    assert judge(BenchLookup("", TRACK, 0.85), {"results": results}) == verdict


def test_verdicts_on_an_unknown_query():
    assert judge(BenchLookup("", None), {"results": []}) == "right"
    assert (
        judge(BenchLookup("", None), {"results": [{"id": str(TRACK), "score": 0.5}]}) == "false_hit"
    )
