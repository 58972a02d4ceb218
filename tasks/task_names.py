"""The names of all tasks, for processes that do not import the task modules."""

from dataclasses import dataclass
from typing import Final

from tasks.periodic.schedule import SCHEDULE


@dataclass(frozen=True, slots=True)
class BatchTasks:
    """The tasks of one kind of lookups that a client waits for.

    Attributes:
        stages: the stages of a batch, in order.
        batch: runs all stages, without Celery's events.
        sampled_batch: the same with events.
    """

    stages: tuple[str, ...]
    batch: str
    sampled_batch: str

    @property
    def names(self) -> tuple[str, ...]:
        """All names."""
        return (*self.stages, self.batch, self.sampled_batch)


LOOKUP: Final = BatchTasks(
    stages=("lookup.validate", "lookup.dedupe", "lookup.score", "lookup.describe"),
    batch="lookup.batch",
    sampled_batch="lookup.sampled_batch",
)
"""Ordinary lookups."""

EXCERPT: Final = BatchTasks(
    stages=("excerpt.validate", "excerpt.dedupe", "excerpt.score", "excerpt.describe"),
    batch="excerpt.batch",
    sampled_batch="excerpt.sampled_batch",
)
"""Lookups of excerpts."""

BACKGROUND_LOOKUP: Final = "lookup.background"

IMPORT_STAGES: Final = (
    "submission.validate",
    "submission.dedupe",
    "submission.score",
    "submission.persist",
    "index.update",
)
"""The stages of an import, in order."""

FOLLOW_MUSICBRAINZ: Final = "maintenance.follow_musicbrainz"
"""Applies packets of MusicBrainz. It takes seconds, so it is in the queue of the imports."""

UPDATE_STAT: Final = "maintenance.update_stat"
"""Counts one daily figure; published by ``maintenance.update_stats``."""

REQUEUE_SUBMISSIONS: Final = "maintenance.requeue_submissions"
"""Makes failed submissions pending again; an operator publishes it."""

ALL: Final = frozenset(
    {
        REQUEUE_SUBMISSIONS,
        FOLLOW_MUSICBRAINZ,
        BACKGROUND_LOOKUP,
        UPDATE_STAT,
        *LOOKUP.names,
        *EXCERPT.names,
        *IMPORT_STAGES,
    }
).union(entry["task"] for entry in SCHEDULE.values())
"""Every task of the application."""
