"""The names of all tasks, for processes that do not import the task modules."""

from typing import Final

from tasks.periodic.schedule import SCHEDULE

BATCH: Final = "lookup.batch"
"""Runs all stages of a batch of lookups, without Celery's events."""

SAMPLED_BATCH: Final = "lookup.sampled_batch"
"""The same with events."""

LOOKUP_STAGES: Final = ("lookup.validate", "lookup.dedupe", "lookup.score", "lookup.describe")
"""The stages of a batch of lookups, in order."""

BACKGROUND_LOOKUP: Final = "lookup.background"

IMPORT_STAGES: Final = (
    "submission.validate",
    "submission.dedupe",
    "submission.score",
    "submission.persist",
    "index.update",
)
"""The stages of an import, in order."""

UPDATE_STAT: Final = "maintenance.update_stat"
"""Counts one daily figure; published by ``maintenance.update_stats``."""

REQUEUE_SUBMISSIONS: Final = "maintenance.requeue_submissions"
"""Makes failed submissions pending again; an operator publishes it."""

ALL: Final = frozenset(
    {
        REQUEUE_SUBMISSIONS,
        BATCH,
        SAMPLED_BATCH,
        BACKGROUND_LOOKUP,
        UPDATE_STAT,
        *LOOKUP_STAGES,
        *IMPORT_STAGES,
    }
).union(entry["task"] for entry in SCHEDULE.values())
"""Every task of the application."""
