"""What a status says about index, store and workers."""

from pathlib import Path

import pytest

from cli.status.servers import index_and_store, newest_change, queues_and_workers, worker_faults
from pipeline.index import open_writer
from pipeline.lookups.condition import Condition
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks.redis_state import heartbeats
from tasks.redis_state.heartbeats import WorkerReport
from tests.support.processes.heartbeats import forget
from tests.support.processes.servers import Servers

GOOD = WorkerReport("lookup-1@here", ("lookup",), Condition.OK, Condition.OK, 9, 8)
BEHIND = WorkerReport("lookup-3@here", ("lookup",), Condition.OK, Condition.OK, 5, 9)
BAD = WorkerReport("lookup-2@there", ("lookup",), Condition.MISSING, Condition.OK, None, 9)
OTHER = WorkerReport("index@here", ("index",))


def test_workers_with_a_fault_are_named(servers: Servers) -> None:
    settings = servers.settings().redis
    with connect(settings) as redis:
        for each in (BAD, GOOD, OTHER):
            heartbeats.store(redis, each)
        try:
            found = queues_and_workers(settings)
        finally:
            for each in (BAD, GOOD, OTHER):
                forget(redis, each.node)
    assert found
    # Redis may still have the heartbeats of workers of another test.
    nodes = {each.node for each in (BAD, GOOD, OTHER)}
    own = [each for each in found[1] if each.node in nodes]
    assert own == [OTHER, GOOD, BAD]
    assert worker_faults(own) == ["lookup-2@there: index missing"]


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
    shown = index_and_store(settings, newest_change(databases), reports)
    for found, expected in zip(shown, (index, store), strict=True):
        assert found
        assert (found["condition"], found["position"]) == expected
        assert found["lag"] == (None if expected[1] is None else 0)


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
    found, _ = index_and_store(settings, 9, [GOOD])
    assert found
    assert found["condition"] is Condition.OK
    refused: list[str] = found["refused"]
    return refused
