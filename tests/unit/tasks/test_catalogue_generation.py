"""The tasks that change the catalogue are tasks, and each other one leaves the generation alone."""

from tasks.celery import app
from tasks.redis_state import catalogue_generation


def test_what_changes_the_catalogue_are_tasks() -> None:
    app.loader.import_default_modules()
    assert set(app.tasks) >= catalogue_generation.CHANGING
