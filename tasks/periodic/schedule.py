"""The schedule of periodic tasks for Celery's beat. Each task is idempotent.

The message of a task with an interval expires when the next one is due. So the queue does not grow
while no worker runs. Messages of daily tasks do not expire: a worker that starts late runs them.
"""

from typing import Any, Final

from celery.schedules import crontab

SCHEDULE: Final[dict[str, dict[str, Any]]] = {
    # Each import ends with this task. The schedule repeats it in case a message was lost.
    "reindex": {"task": "index.update", "schedule": 5.0, "options": {"expires": 5}},
    "sweep-receipts": {
        "task": "maintenance.sweep_receipts",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "measure-queues": {
        "task": "maintenance.measure_queues",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "update-lookup-stats": {
        "task": "maintenance.update_lookup_stats",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "update-user-agent-stats": {
        "task": "maintenance.update_user_agent_stats",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "prune-folded": {
        "task": "maintenance.prune_folded",
        "schedule": crontab(hour="0", minute="5"),
    },
    "update-stats": {
        "task": "maintenance.update_stats",
        "schedule": crontab(hour="0", minute="10"),
    },
    "prune-receipts": {
        "task": "maintenance.prune_receipts",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "prune-statistics": {
        "task": "maintenance.prune_statistics",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "erase-client-addresses": {
        "task": "maintenance.erase_client_addresses",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "prune-rotated-keys": {
        "task": "maintenance.prune_rotated_keys",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "merge-missing-mbids": {
        "task": "maintenance.merge_missing_mbids",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "follow-mbid-redirects": {
        "task": "maintenance.follow_mbid_redirects",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
}
