"""How a submission's state is shown, wherever it is."""

from typing import Any

from pipeline.catalog.submission_status import SubmissionStatus


def show_submission(submission_id: int, status: SubmissionStatus | None) -> dict[str, Any]:
    """Return a submission for a reply; one that nobody knows is pending, as in public."""
    if status is None:
        return {"id": submission_id, "status": "pending"}
    shown: dict[str, Any] = {"id": submission_id, "status": status.state}
    if status.reason is not None:
        shown["reason"] = status.reason
    if status.track_gid is not None:
        shown["result"] = {"id": str(status.track_gid)}
    return shown
