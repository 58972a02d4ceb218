"""The batches in which waiting submissions are sent."""

import pytest

from pipeline.catalog.ingest.leases import Due
from pipeline.lookups.condition import Condition
from tasks.imports.waiting_submissions import batches_of, imports_can_search
from tasks.redis_state.heartbeats import WorkerReport


def test_submissions_share_a_batch_for_two_attempts() -> None:
    due = [Due(number, attempts=1 + number % 3) for number in range(1, 10)]
    assert batches_of(due) == [[2], [5], [8], [1, 3, 4, 6, 7, 9]]


def test_a_submission_that_crashed_a_worker_is_sent_alone() -> None:
    due = [Due(1, attempts=1), Due(2, attempts=1, crashes=1), Due(3, attempts=1)]
    assert batches_of(due) == [[2], [1, 3]]


def test_many_submissions_are_split_into_batches() -> None:
    groups = batches_of([Due(number, attempts=1) for number in range(450)])
    assert [len(group) for group in groups] == [200, 200, 50]
    assert [number for group in groups for number in group] == list(range(450))


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], True),
        ([None], True),
        ([Condition.OK], True),
        ([Condition.MISSING], False),
        ([Condition.UNREACHABLE, Condition.FOREIGN], False),
        ([Condition.MISSING, Condition.OK], True),
    ],
)
def test_imports_need_a_worker_with_a_usable_index(
    conditions: list[Condition | None], *, expected: bool
) -> None:
    others = [WorkerReport("lookup", ("lookup",), Condition.OK if not expected else None)]
    reports = [
        WorkerReport(f"{place}", ("submission",), each) for place, each in enumerate(conditions)
    ]
    assert imports_can_search([*others, *reports]) is expected
