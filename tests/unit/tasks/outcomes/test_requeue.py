"""Wrong arguments of ``maintenance.requeue_submissions`` give one line and change nothing."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from tasks.outcomes.requeue import requeue_submissions


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"task_id": "12"}, "task_id"),
        ({"task_id": 12}, "task_id"),
        ({"submission_ids": 12}, "submission_ids"),
        ({"submission_ids": ["12"]}, "submission_ids"),
        ({"submission_ids": [True]}, "submission_ids"),
    ],
    ids=str,
)
def test_wrong_arguments_are_named_without_a_traceback(
    arguments: dict[str, Any], name: str
) -> None:
    with capture_logs() as lines:
        assert requeue_submissions.run(**arguments) == 0
    assert len(lines) == 1
    assert lines[0]["reason"].startswith(f"{name} must be")
    assert "exc_info" not in lines[0]
