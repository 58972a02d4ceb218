"""The Celery application with its task modules: `celery -A tasks` of workers loads this module."""

from tasks.application import app
from tasks.recovery import stuck_process
from tasks.signals import worker

__all__ = ["app"]

app.conf.include = [
    "tasks.lookups.lookup",
    "tasks.lookups.excerpt",
    "tasks.lookups.background_lookup",
    "tasks.fast_path.batch_task",
    "tasks.submission",
    "tasks.index",
    "tasks.outcomes.requeue",
    "tasks.periodic.receipts_and_queues",
    "tasks.periodic.postgres_clocks",
    "tasks.periodic.mbid_upkeep",
    "tasks.periodic.musicbrainz_following",
    "tasks.periodic.retention",
    "tasks.periodic.statistics",
]
worker.connect()
stuck_process.connect()
