"""The ids in the messages of stages, and the parts of a batch."""

from typing import Any

import pytest

from pipeline.messages import SubmissionBatch, SubmissionInBatch, to_message
from tasks.imports.message_ids import submission_ids
from tasks.outcomes.submission_task import divided


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (([3, 4],), [3, 4]),
        ((to_message(SubmissionBatch([SubmissionInBatch(7), SubmissionInBatch(9)])),), [7, 9]),
        (({"submissions": [{"id": 7}, {"number": 8}, 9]},), [7]),  # of another version
        (({"ids": [1]},), []),
        ((), []),
    ],
)
def test_the_ids_of_a_message(args: tuple[Any, ...], expected: list[int]) -> None:
    assert submission_ids(args) == expected


@pytest.mark.parametrize("count", [2, 3, 4, 15, 16, 200, 201])
def test_two_or_three_divisions_leave_each_submission_alone(count: int) -> None:
    ids = list(range(count))
    parts = divided(ids)
    assert [each for part in parts for each in part] == ids
    assert all(len(part) < count for part in parts)
    smaller = [again for part in parts for again in divided(part)]
    assert all(len(part) <= 4 for part in smaller)
    assert all(len(part) == 1 for each in smaller for part in divided(each) if len(each) < 4)
