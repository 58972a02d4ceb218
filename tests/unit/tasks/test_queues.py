"""The table of queues: each task has a route, each queue has a worker."""

import os
import subprocess
import sys
from collections.abc import Sequence
from fnmatch import fnmatch

import pytest

from cli.stack.processes.stopping import StopOrder
from cli.stack.roles import Layout, roles
from pipeline.settings.sections import CelerySettings
from tasks import task_names
from tasks.celery import app
from tasks.periodic.schedule import SCHEDULE
from tasks.queues import (
    EXCERPT,
    LOOKUP,
    NAMES,
    Acknowledgement,
    TaskQueue,
    names_of,
    queue_of_excerpts,
    queues_of,
)
from tasks.stage_task import StageTask

QUEUES = queues_of(excerpt_queue=False)
WITH_EXCERPTS = queues_of(excerpt_queue=True)


def own_tasks() -> list[str]:
    """Return the names of all tasks except Celery's own."""
    app.loader.import_default_modules()
    return sorted(name for name in app.tasks if not name.startswith("celery."))


def row_of(task: str, table: Sequence[TaskQueue] = QUEUES) -> TaskQueue:
    """Return the row of the table for a task."""
    exact = [row for row in table if task in row.tasks]
    [row] = exact or [row for row in table if any(fnmatch(task, each) for each in row.tasks)]
    return row


def test_there_are_the_stages_of_lookups_and_imports() -> None:
    stages = ["validate", "dedupe", "score"]
    assert {f"lookup.{stage}" for stage in [*stages, "describe"]} <= set(own_tasks())
    assert {"lookup.batch", "lookup.sampled_batch"} <= set(own_tasks())
    assert {f"excerpt.{stage}" for stage in [*stages, "describe"]} <= set(own_tasks())
    assert {"excerpt.batch", "excerpt.sampled_batch"} <= set(own_tasks())
    assert {f"submission.{stage}" for stage in [*stages, "persist"]} <= set(own_tasks())


def test_the_list_of_names_has_every_task() -> None:
    assert sorted(task_names.ALL) == own_tasks()


@pytest.mark.parametrize("name", own_tasks())
def test_every_task_is_retried_and_counted(name: str) -> None:
    assert isinstance(app.tasks[name], StageTask)


@pytest.mark.parametrize("name", own_tasks())
def test_every_task_is_sent_to_the_queue_of_its_row(name: str) -> None:
    assert app.amqp.router.route({}, name)["queue"].name == row_of(name).name


@pytest.mark.parametrize("row", WITH_EXCERPTS, ids=NAMES)
def test_every_row_has_tasks(row: TaskQueue) -> None:
    assert [name for name in own_tasks() if row_of(name, WITH_EXCERPTS) is row]


def test_excerpts_have_the_queue_of_lookups_or_their_own() -> None:
    tasks = [name for name in own_tasks() if name.startswith("excerpt.")]
    assert {row_of(name).name for name in tasks} == {LOOKUP}
    assert {row_of(name, WITH_EXCERPTS).name for name in tasks} == {EXCERPT}
    for own, queue in ((False, LOOKUP), (True, EXCERPT)):
        settings = CelerySettings(excerpt_queue=own)
        assert queue_of_excerpts(settings) == queue
        assert (EXCERPT in names_of(settings)) is own
    others = [name for name in own_tasks() if name not in tasks]
    assert {name: row_of(name).name for name in others} == {
        name: row_of(name, WITH_EXCERPTS).name for name in others
    }


def test_the_setting_changes_queues_and_routes_of_celery() -> None:
    program = (
        "from tasks.application import app; queue = app.amqp.router.route({}, 'excerpt.score')"
        "['queue']; print(queue.name, queue.no_ack, *app.amqp.queues)"
    )
    environ = {**os.environ, "ACOUSTID_CELERY_EXCERPT_QUEUE": "true"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [EXCERPT, "True", *NAMES]


@pytest.mark.parametrize("queue", NAMES)
def test_every_queue_is_served_by_one_kind_of_worker(queue: str) -> None:
    layout = Layout(host="127.0.0.1", port=1, flower_port=None, workers=1, excerpt_queue=True)
    workers = [role for role in roles(layout) if role.stop_order == StopOrder.WORKER]
    served = [role.command[role.command.index("-Q") + 1].split(",") for role in workers]
    assert [queue in names for names in served].count(True) == 1


def test_celery_has_the_queues_of_the_table() -> None:
    assert tuple(app.amqp.queues) == names_of(CelerySettings())


def test_every_queue_takes_only_its_own_messages() -> None:
    for name, queue in app.amqp.queues.items():
        assert (queue.exchange.name, queue.routing_key) == (name, name)


def test_only_lookups_with_a_waiting_client_are_not_acknowledged() -> None:
    optional = [row.name for row in QUEUES if row.acknowledgement is Acknowledgement.OPTIONAL]
    assert row_of("excerpt.validate", WITH_EXCERPTS).acknowledgement is Acknowledgement.OPTIONAL
    assert [name for name, queue in app.amqp.queues.items() if queue.no_ack] == optional
    assert row_of("lookup.validate").name in optional
    assert row_of("lookup.background").name not in optional


@pytest.mark.parametrize("entry", SCHEDULE)
def test_every_periodic_task_exists(entry: str) -> None:
    assert SCHEDULE[entry]["task"] in own_tasks()


@pytest.mark.parametrize("entry", SCHEDULE)
def test_beat_subscribes_to_no_result(entry: str) -> None:
    assert SCHEDULE[entry]["options"]["ignore_result"]


@pytest.mark.parametrize("entry", SCHEDULE)
def test_a_periodic_task_expires_when_the_next_one_is_due(entry: str) -> None:
    schedule, options = SCHEDULE[entry]["schedule"], SCHEDULE[entry].get("options", {})
    interval = schedule if isinstance(schedule, float) else None  # daily tasks do not expire
    assert options.get("expires") == interval


def test_a_lost_workers_task_waits_longer_than_a_task_may_take() -> None:
    assert app.conf.broker_transport_options["visibility_timeout"] > app.conf.task_time_limit
    assert app.conf.task_time_limit > app.conf.task_soft_time_limit


def test_an_undeclared_queue_is_an_error() -> None:
    with pytest.raises(KeyError):
        app.amqp.queues["typo"]
