"""The Celery application."""

from celery import Celery

from tasks import signals
from tasks.stage_task import StageTask

app = Celery(
    "acoustid",
    task_cls=StageTask,
    include=[
        "tasks.lookup",
        "tasks.background",
        "tasks.fast_path.fused",
        "tasks.submission",
        "tasks.index",
        "tasks.maintenance",
        "tasks.mbids",
        "tasks.statistics",
    ],
)
app.config_from_object("celeryconfig")
signals.connect()
