"""How the sweeper starts receipts again: together, but for those that keep failing."""

from pipeline.catalog.ingest.submissions import Unfinished
from tasks.maintenance import batches_of_receipts


def test_receipts_travel_together_and_those_tried_often_alone() -> None:
    overdue = [Unfinished(number, attempts=1 + number % 3) for number in range(1, 10)]
    assert batches_of_receipts(overdue) == [[2], [5], [8], [1, 3, 4, 6, 7, 9]]


def test_many_receipts_are_several_chains() -> None:
    groups = batches_of_receipts([Unfinished(number, attempts=1) for number in range(450)])
    assert [len(group) for group in groups] == [200, 200, 50]
    assert [number for group in groups for number in group] == list(range(450))
