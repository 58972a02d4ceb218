"""The Celery application without its task modules, for processes that run no task.

These are the front end, beat, Flower and the command line. They publish tasks by name, so they need
neither the code of the tasks nor Numba. `tasks.celery` adds the task modules for workers.
"""

from celery import Celery

from tasks.celery_settings import CelerySettings
from tasks.flower import command as flower_command
from tasks.signals import beat, every_process

app = Celery(flower_command.APPLICATION)
app.config_from_object(CelerySettings())
every_process.connect()
beat.connect()
flower_command.connect(app)
