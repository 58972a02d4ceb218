"""The Celery application. Its settings are in ``celeryconfig.py``."""

from celery import Celery

from tasks import celery_signals
from tasks.stage_task import StageTask

app = Celery(
    "acoustid",
    task_cls=StageTask,
    include=[
        "tasks.lookup",
        "tasks.background_lookup",
        "tasks.fast_path.batch_task",
        "tasks.submission",
        "tasks.index",
        "tasks.periodic.receipts_and_queues",
        "tasks.periodic.mbid_upkeep",
        "tasks.periodic.retention",
        "tasks.periodic.statistics",
    ],
)
app.config_from_object("celeryconfig")
celery_signals.connect()
