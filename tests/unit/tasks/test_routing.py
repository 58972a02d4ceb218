"""Every task has a queue and every queue a worker."""

import pytest

from cli.stack.roles import Layout, roles
from tasks.celery import app
from tasks.schedule import SCHEDULE


def own_tasks() -> list[str]:
    app.loader.import_default_modules()
    return sorted(name for name in app.tasks if not name.startswith("celery."))


def served_queues() -> set[str]:
    layout = Layout(host="127.0.0.1", port=1, flower_port=None, workers=1)
    commands = [role.command for role in roles(layout) if role.node]
    return {queue for c in commands for queue in c[c.index("-Q") + 1].split(",")}


def test_there_are_the_tasks_of_both_chains_and_the_fused_ones() -> None:
    stages = ["validate", "dedupe", "score"]
    assert {f"lookup.{stage}" for stage in [*stages, "describe"]} <= set(own_tasks())
    assert {"lookup.batch", "lookup.sampled_batch"} <= set(own_tasks())
    assert {f"submission.{stage}" for stage in [*stages, "persist"]} <= set(own_tasks())


@pytest.mark.parametrize("name", own_tasks())
def test_every_task_has_a_route_of_its_own(name: str) -> None:
    routes = app.conf.task_routes
    patterns = [key for key in routes if name.startswith(key.removesuffix("*"))]
    assert len(patterns) == 1 or name in routes
    expected = routes[name if name in routes else patterns[0]]["queue"]
    assert app.amqp.router.route({}, name)["queue"].name == expected


def test_a_lookup_that_nobody_waits_for_is_acknowledged_and_the_others_are_not() -> None:
    queue_of = {name: app.amqp.router.route({}, name)["queue"] for name in own_tasks()}
    assert queue_of["lookup.background"].name == "background"
    assert not queue_of["lookup.background"].no_ack
    assert queue_of["lookup.validate"].no_ack


def test_every_queue_has_a_worker_and_every_worker_a_queue() -> None:
    declared = {queue.name for queue in app.conf.task_queues}
    assert {route["queue"] for route in app.conf.task_routes.values()} <= declared
    assert served_queues() == declared


def test_every_queue_takes_only_its_own_messages() -> None:
    for name, queue in app.amqp.queues.items():
        assert (queue.exchange.name, queue.routing_key) == (name, name)


def test_every_beat_names_a_task_and_expires_before_the_next() -> None:
    for beat in SCHEDULE.values():
        assert beat["task"] in own_tasks()


def test_a_lost_workers_task_waits_longer_than_a_task_may_take() -> None:
    assert app.conf.broker_transport_options["visibility_timeout"] > app.conf.task_time_limit
    assert app.conf.task_time_limit > app.conf.task_soft_time_limit


def test_an_undeclared_queue_is_an_error() -> None:
    with pytest.raises(KeyError):
        app.amqp.queues["typo"]
