"""The schedule of periodic tasks for Celery's beat. Each task is idempotent.

The message of a task with an interval expires when the next one is due: a worker that starts late
discards it. `tasks.clocks.timed_request` judges this, so the clock of beat's host does not matter.
Messages of daily tasks do not expire: a worker that starts late runs them.

Beat runs without the task modules, so each entry says that no result is wanted: otherwise Celery
would subscribe to the result of every task that beat publishes.
"""

from typing import Any, Final

from celery.schedules import crontab

from pipeline.settings.sections import MusicbrainzSettings


def _every(seconds: float, task: str) -> dict[str, Any]:
    """Return the entry of a task with an interval."""
    options = {"expires": seconds, "ignore_result": True}
    return {"task": task, "schedule": seconds, "options": options}


def _daily(hour: str, minute: str, task: str) -> dict[str, Any]:
    """Return the entry of a task that runs once a day, at a time in UTC."""
    schedule = crontab(hour=hour, minute=minute)
    return {"task": task, "schedule": schedule, "options": {"ignore_result": True}}


SCHEDULE: Final[dict[str, dict[str, Any]]] = {
    # Each import ends with this task. The schedule repeats it in case a message was lost.
    "reindex": _every(5.0, "index.update"),
    "sweep-receipts": _every(5.0, "maintenance.sweep_receipts"),
    "measure-queues": _every(10.0, "maintenance.measure_queues"),
    "measure-clocks": _every(10.0, "maintenance.measure_clocks"),
    "measure-musicbrainz": _every(60.0, "maintenance.measure_musicbrainz"),
    "update-lookup-stats": _every(60.0, "maintenance.update_lookup_stats"),
    "update-user-agent-stats": _every(3600.0, "maintenance.update_user_agent_stats"),
    "prune-folded": _daily("0", "5", "maintenance.prune_folded"),
    "update-stats": _daily("0", "10", "maintenance.update_stats"),
    "prune-receipts": _every(60.0, "maintenance.prune_receipts"),
    "prune-statistics": _every(300.0, "maintenance.prune_statistics"),
    "erase-client-addresses": _every(300.0, "maintenance.erase_client_addresses"),
    "prune-rotated-keys": _every(3600.0, "maintenance.prune_rotated_keys"),
    "prune-outbox": _every(3600.0, "maintenance.prune_outbox"),
    "merge-missing-mbids": _every(60.0, "maintenance.merge_missing_mbids"),
    "follow-mbid-redirects": _every(3600.0, "maintenance.follow_mbid_redirects"),
}
"""The periodic tasks of every installation."""

FOLLOW_MUSICBRAINZ: Final = "follow-musicbrainz"
"""The entry of an installation that follows MusicBrainz."""


def schedule_of(settings: MusicbrainzSettings) -> dict[str, dict[str, Any]]:
    """Return the periodic tasks of an installation.

    Args:
        settings: says whether, and how often, packets of MusicBrainz are applied.
    """
    if not settings.replication_source:
        return SCHEDULE
    entry = _every(settings.replication_interval, "maintenance.follow_musicbrainz")
    return {**SCHEDULE, FOLLOW_MUSICBRAINZ: entry}
