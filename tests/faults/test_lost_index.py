"""The index is lost or damaged under running workers: each reply is right, or it is a 503."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from api.http.errors import ServiceUnavailableError
from api.lookups.batch_policy import BatchPolicy
from pipeline.fingerprint.codec import compress
from pipeline.index import verify
from pipeline.index.reader import CHECK_FILES_EVERY
from pipeline.lookups.condition import Condition
from pipeline.messages import Lookup
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks.celery import app
from tasks.fast_path.lookup_sender import LookupSender
from tasks.fast_path.switches import FastPath
from tasks.redis_state import heartbeats
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.index_conditions import old_catalogue
from tests.support.catalogue.synthetic import fingerprint
from tests.support.clients.batchers import make_batcher
from tests.support.metrics import Counted
from tests.support.polling import eventually
from tests.support.processes.workers import (
    point_celery_at,
    running_worker,
    worker_roles,
    write_config,
)

QUICK = 2.0  # seconds; the retries of a task and a second message take longer
REFUSED = "503"
NOTICE = 15.0  # seconds until a worker has reported a change

Reply = list[int] | str


@pytest.fixture
def here(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with a directory for this test alone."""
    index = settings.fingerprint_index.model_copy(update={"path": tmp_path / "index"})
    return settings.model_copy(update={"fingerprint_index": index})


@pytest.fixture
def importer(databases: Databases, here: Settings) -> Importer:
    """A catalogue whose changelog is an hour old; the index does not exist."""
    return old_catalogue(databases, here.fingerprint_index.path, (1, 2, 3))


@pytest.fixture
def logs(here: Settings, importer: Importer, tmp_path: Path) -> Iterator[dict[str, Path]]:
    """A lookup worker and the index worker, which start without an index; yields their logs."""
    del importer
    config = write_config(here, tmp_path / "acoustid.conf")
    point_celery_at(config, here)
    started = [role for role in worker_roles() if role.name != "worker-submission"]
    found = {role.name: tmp_path / f"{role.name}.log" for role in started}
    workers = [running_worker(role, config, found[role.name], here) for role in started]
    with ExitStack() as stack, ThreadPoolExecutor() as threads:
        list(threads.map(stack.enter_context, workers))
        yield found


@pytest.fixture
def look_up(here: Settings) -> Iterator[Callable[[], Reply]]:
    """Look up a fingerprint; return the number of its results, or that the reply is a 503."""
    policy = BatchPolicy(size=100, in_flight=2, hold_back=0.025, stalled_after=60)
    client = connect(here.redis)
    batcher = make_batcher(
        here.redis, policy, LookupSender(FastPath.of(here)).send, Counted(), lost_after=30.0
    )
    question = Lookup(request=0, duration=200, fingerprint=compress(fingerprint(2)))

    def look_up() -> Reply:
        begun = time.monotonic()
        try:
            [answer] = batcher.look_up([question], "", begun + 30)
        except ServiceUnavailableError:
            assert time.monotonic() - begun < QUICK
            return REFUSED
        return [len(answer["results"])]

    yield look_up
    batcher.close()
    client.close()


def test_replies_are_right_or_503(
    here: Settings,
    importer: Importer,
    logs: dict[str, Path],
    look_up: Callable[[], Reply],
) -> None:
    path = here.fingerprint_index.path
    client = connect(here.redis)

    def conditions() -> set[Condition | None]:
        return {each.index for each in heartbeats.reports(client) if "index" not in each.queues}

    def reported(condition: Condition) -> bool:
        return bool(eventually(lambda: conditions() == {condition}, NOTICE))

    assert look_up() == look_up() == REFUSED
    assert reported(Condition.MISSING)
    importer.update_index()
    assert look_up() == [1]
    assert reported(Condition.OK)

    path.rename(path.with_name("moved"))
    assert look_up() == look_up() == REFUSED
    replies = []
    for _ in range(100):
        app.send_task("index.update", ignore_result=True)
        replies.append(look_up())
        if replies[-1] != REFUSED:
            break
    assert replies[-1] == [1]

    time.sleep(CHECK_FILES_EVERY)
    for segment in path.glob("*.segment"):
        with segment.open("r+b") as file:
            file.truncate(20)
    assert look_up() == look_up() == REFUSED
    assert reported(Condition.DAMAGED)
    [report] = [each for each in heartbeats.reports(client) if "lookup" in each.queues]
    assert report.index_damage.startswith(f"{path}/")

    app.send_task("index.update", ignore_result=True)
    assert eventually(lambda: look_up() == [1], NOTICE)
    [moved] = path.glob("damaged-*")
    assert list(moved.glob("*.segment"))
    assert verify(path) == []

    [log] = [path.read_text() for name, path in logs.items() if name.startswith("worker-lookup")]
    states = re.findall("the index is (?:not usable.*?condition=([a-z]+)|usable again)", log)
    states = [state for state in states if state != "filling"]
    assert states == ["missing", "", "missing", "", "damaged", ""]
    assert "Traceback" not in log
