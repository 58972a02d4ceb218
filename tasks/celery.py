"""The Celery application. Its settings are in ``celeryconfig.py``."""

from celery import Celery

from tasks import celery_signals
from tasks.celery_settings import CelerySettings
from tasks.flower import command as flower_command
from tasks.stage_task import StageTask

app = Celery(
    flower_command.APPLICATION,
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
app.config_from_object(CelerySettings())
celery_signals.connect()
flower_command.connect(app)
