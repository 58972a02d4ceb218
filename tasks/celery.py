"""The Celery application."""

from celery import Celery

from tasks import signals
from tasks.stage_task import StageTask
from tasks.worker_events import GatherEvents

app = Celery(
    "acoustid",
    task_cls=StageTask,
    include=[
        "tasks.lookup",
        "tasks.background",
        "tasks.submission",
        "tasks.index",
        "tasks.maintenance",
        "tasks.mbids",
        "tasks.statistics",
    ],
)
app.config_from_object("celeryconfig")
app.steps["consumer"].add(GatherEvents)
signals.connect()
