"""The roles of a stack."""

from dataclasses import replace
from signal import Signals

from cli.stack.processes.stopping import StopOrder
from cli.stack.roles import Layout, Role, roles

LAYOUT = Layout(host="127.0.0.1", port=5000, flower_port=5555, workers=2)


def by_name(layout: Layout = LAYOUT) -> dict[str, Role]:
    return {role.name: role for role in roles(layout)}


def test_the_roles_are_complete_and_in_order() -> None:
    assert list(by_name()) == [
        "worker-lookup-1",
        "worker-lookup-2",
        "worker-submission",
        "worker-index",
        "beat",
        "api",
        "flower",
    ]


def test_workers_have_different_node_names() -> None:
    nodes = [role.node for role in roles(LAYOUT) if role.stop_order == StopOrder.WORKER]
    assert len(set(nodes)) == 4
    assert all(nodes)


def test_flower_listens_on_loopback_by_default() -> None:
    assert "--address=127.0.0.1" in by_name()["flower"].command
    assert by_name()["flower"].port == 5555
    other = by_name(replace(LAYOUT, flower_host="192.0.2.1"))["flower"]
    assert "--address=192.0.2.1" in other.command
    assert other.host == "192.0.2.1"


def test_the_front_end_has_its_drain_time_before_it_is_killed() -> None:
    (first, seconds), *others = by_name()["api"].escalation
    draining = by_name(replace(LAYOUT, drain_time=40.0))["api"].escalation
    assert draining == ((first, seconds + 40.0), (Signals.SIGINT, seconds), *others)


def test_the_ingest_from_nats_runs_if_servers_are_configured() -> None:
    """It sends tasks, so it stops before the workers."""
    role = by_name(replace(LAYOUT, uses_nats=True))["ingest-nats"]
    assert role.command[1:] == ("-m", "cli.main", "ingest", "nats")
    assert role.stop_order < StopOrder.WORKER
    assert "ingest-nats" not in by_name()


def test_excerpts_have_workers_of_their_own_by_setting() -> None:
    found = by_name(replace(LAYOUT, excerpt_queue=True))
    assert set(found) - set(by_name()) == {"worker-excerpt-1", "worker-excerpt-2"}
    command = found["worker-excerpt-1"].command
    assert command[command.index("-Q") + 1] == "excerpt"


def test_flower_is_optional() -> None:
    without = Layout(host="127.0.0.1", port=5000, flower_port=None, workers=1)
    assert "flower" not in by_name(without)
