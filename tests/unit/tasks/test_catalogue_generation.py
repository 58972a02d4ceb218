"""The tasks that may change the catalogue, by name."""

from tasks.celery import app
from tasks.redis_state import catalogue_generation


def test_every_changing_task_exists() -> None:
    app.loader.import_default_modules()
    assert set(app.tasks) >= catalogue_generation.CHANGING
