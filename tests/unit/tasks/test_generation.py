"""The tasks that change the catalogue are tasks, and each other one leaves the generation alone."""

from tasks import generation
from tasks.celery import app


def test_what_changes_the_catalogue_are_tasks() -> None:
    app.loader.import_default_modules()
    assert set(app.tasks) >= generation.CHANGING
