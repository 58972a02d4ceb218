"""What a status says about index, store and workers."""

from dataclasses import replace
from pathlib import Path

import pytest

from cli.status.servers import (
    clock_differences,
    copies,
    disks,
    newest_change,
    queues_and_workers,
    redis_state,
    worker_faults,
)
from pipeline.index import open_writer
from pipeline.lookups.condition import Condition
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks.queues import NAMES
from tasks.redis_state import heartbeats
from tasks.redis_state.heartbeats import WorkerReport
from tests.support.processes.heartbeats import forget
from tests.support.processes.servers import Servers

GOOD = WorkerReport(
    "lookup-1@here", ("lookup",), Condition.OK, Condition.OK, 9, 8, clock_difference=15.04
)
BEHIND = WorkerReport("lookup-3@here", ("lookup",), Condition.OK, Condition.OK, 5, 9)
BAD = WorkerReport("lookup-2@there", ("lookup",), Condition.MISSING, Condition.OK, None, 9)
OTHER = WorkerReport("index@here", ("index",))


def test_workers_with_a_fault_are_named(servers: Servers) -> None:
    settings = servers.settings().redis
    with connect(settings) as redis:
        for each in (BAD, GOOD, OTHER):
            heartbeats.store(redis, each)
        try:
            found = queues_and_workers(settings, NAMES)
        finally:
            for each in (BAD, GOOD, OTHER):
                forget(redis, each.node)
    assert found
    # Redis may still have the heartbeats of workers of another test.
    nodes = {each.node for each in (BAD, GOOD, OTHER)}
    own = [each for each in found[1].reports if each.node in nodes]
    assert sorted(own, key=lambda each: each.node) == [OTHER, GOOD, BAD]
    assert {"this host", GOOD.node} <= set(clock_differences(found[1]))
    assert clock_differences(found[1])[GOOD.node] == 15.04
    assert worker_faults([GOOD, BAD]) == ["lookup-2@there: index missing"]


def test_a_worker_that_cannot_write_is_named() -> None:
    full = replace(OTHER, write_problem="index: disk full", free_bytes=0)
    assert worker_faults([OTHER, full]) == ["index@here: not written: index: disk full"]
    assert disks(None, [OTHER, GOOD]) == {"data_dir_free_bytes": None, "index_free_bytes": None}
    assert disks(None, [replace(OTHER, free_bytes=9), full])["index_free_bytes"] == 0


def test_the_lag_is_that_of_the_worker_furthest_behind(servers: Servers) -> None:
    reports = [replace(GOOD, index_lag=0.25), replace(BEHIND, index_lag=12.34), OTHER]
    index = copies(servers.settings(), 9, reports)["index"]
    assert index
    assert index["lag_seconds"] == 12.3


def test_the_state_of_redis_is_shown(servers: Servers) -> None:
    settings = servers.settings().redis
    state = redis_state(settings)
    assert state
    assert state["memory_bytes"] > 0
    assert (state["max_memory_bytes"], state["refuses_writes"], state["warning"]) == (None,) * 3
    with connect(settings) as redis:
        redis.config_set("maxmemory", 1_000_000)
        try:
            full = redis_state(settings)
        finally:
            redis.config_set("maxmemory", 0)
    assert full
    assert (full["max_memory_bytes"], full["refuses_writes"]) == (1_000_000, "memory")


@pytest.mark.parametrize(
    ("reports", "index", "store"),
    [
        ([GOOD, BEHIND, OTHER], (Condition.OK, 5), (Condition.OK, 8)),
        ([GOOD, BAD], (Condition.MISSING, None), (Condition.OK, 8)),
        ([OTHER], (None, None), (None, None)),
    ],
)
def test_the_worst_copy_is_shown(
    databases: Databases,
    servers: Servers,
    reports: list[WorkerReport],
    index: tuple[Condition | None, int | None],
    store: tuple[Condition | None, int | None],
) -> None:
    settings = servers.settings()
    shown = copies(settings, newest_change(databases), reports)
    assert shown["sketch"] is None
    for name, expected in (("index", index), ("store", store)):
        found = shown[name]
        assert found
        assert (found["condition"], found["position"]) == expected
        assert found["lag"] == (None if expected[1] is None else 0)


def test_the_sketch_index_is_shown_with_its_rate(servers: Servers) -> None:
    """While the index of another rate is used, both rates are shown."""
    settings = servers.settings()
    options = settings.fingerprint_index.model_copy(update={"sketch_rate": 8})
    settings = settings.model_copy(update={"fingerprint_index": options})
    used = {"sketch_position": 7, "sketch_rate": 4, "sketch_bytes": 3 << 20}
    found = copies(settings, 9, [OTHER, replace(GOOD, sketch=Condition.OK, **used)])["sketch"]
    assert found
    assert (found["condition"], found["position"], found["lag"]) == (Condition.OK, 7, 2)
    assert (found["rate"], found["set_rate"], found["bytes"]) == (4, 8, 3 << 20)
    filling = copies(settings, 9, [replace(GOOD, sketch=Condition.FILLING)])["sketch"]
    assert filling
    assert (filling["condition"], filling["rate"]) == (Condition.FILLING, None)
    assert worker_faults([replace(GOOD, sketch=Condition.FILLING)]) == [
        f"{GOOD.node}: sketch filling"
    ]


def test_files_that_the_writer_refuses_are_shown(servers: Servers, tmp_path: Path) -> None:
    """The workers search the index, so they report no fault."""
    settings = servers.settings()
    index = settings.fingerprint_index.model_copy(update={"path": tmp_path / "index"})
    settings = settings.model_copy(update={"fingerprint_index": index})
    open_writer(index.path).close()
    assert _shown(settings) == []
    stray = index.path / "x.segment"
    stray.touch()
    assert _shown(settings) == [f"{stray} has an unknown name: move it to another folder"]


def _shown(settings: Settings) -> list[str]:
    found = copies(settings, 9, [GOOD])["index"]
    assert found
    assert found["condition"] is Condition.OK
    refused: list[str] = found["refused"]
    return refused
