"""A lone client's lookups stay with the worker that is warm; nobody else is held up by that."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from api import batcher as module
from api.batcher import POLL, LookupBatcher
from cli.roles import Layout, roles
from pipeline.fingerprint.codec import compress
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.runtime.redis_line import RedisLine
from pipeline.runtime.settings import Settings
from pipeline.stages.messages import Lookup, LookupBatch
from tasks import dispatch, own_queue, replies
from tasks.celery import app
from tests.asking import ask
from tests.counting import Counted
from tests.synthetic import fingerprint
from tests.workers import point_celery_at, running_worker, task_counts, write_config

LOOKUPS = 30


@pytest.fixture
def workers(settings: Settings, databases: Databases, tmp_path: Path) -> Iterator[None]:
    """Two workers of lookups, as a stack has them on two cores."""
    del databases
    config = write_config(settings, tmp_path / "acoustid.conf")
    point_celery_at(config, settings)
    layout = Layout("127.0.0.1", 0, None, workers=2)
    with ExitStack() as stack:
        for role in roles(layout):
            if role.name.startswith("worker-lookup"):
                log = tmp_path / f"{role.name}.log"
                stack.enter_context(running_worker(role, config, log, settings))
        yield


@pytest.fixture
def batcher(settings: Settings) -> Iterator[LookupBatcher]:
    waiting = RedisLine(connect(settings.redis, blocking=True, wait=POLL), again=False)
    send = partial(dispatch.send_lookups, RedisLine(connect(settings.redis)))
    batcher = LookupBatcher(settings.api, waiting, send, Counted())
    yield batcher
    batcher.close()


def question() -> Lookup:
    return Lookup(request=0, duration=200, fingerprint=compress(fingerprint(1)))


def answered() -> list[int]:
    """Return how many batches each of both workers has answered, the fewest first."""
    return sorted(each.get("lookup.validate", 0) for each in task_counts(2))


@pytest.mark.usefixtures("workers")
def test_lone_lookups_stay_with_one_worker(
    batcher: LookupBatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STAYS_WARM", 60.0)  # however slow the machine is
    for _ in range(LOOKUPS):
        assert batcher.run([question()], "", 30) == [{"results": []}]
    assert answered() == [0, LOOKUPS]
    monkeypatch.setattr(module, "STAYS_WARM", 0.0)
    for _ in range(LOOKUPS):
        batcher.run([question()], "", 30)
    assert answered()[0] > 0


@pytest.mark.usefixtures("workers")
def test_a_worker_answers_what_is_in_its_own_queue(settings: Settings) -> None:
    client = connect(settings.redis, blocking=True)
    deadline, key = time.time() + 30, replies.reply_key()
    first = ask(client, LookupBatch("a", key, deadline, [""], [question()]))
    assert first.worker.startswith(f"{own_queue.PREFIX}lookup-")
    named = LookupBatch("b", key, deadline, [""], [question()], worker=first.worker)
    for _ in range(5):
        assert ask(client, named).worker == first.worker
    assert client.exists(first.worker) == 0


def test_a_batch_for_a_worker_that_is_gone_goes_to_another(
    workers: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    del workers
    monkeypatch.setattr(module, "STAYS_WARM", 60.0)
    waiting = RedisLine(connect(settings.redis, blocking=True, wait=POLL), again=False)
    client = connect(settings.redis)
    send = partial(dispatch.send_lookups, RedisLine(client))
    batcher = LookupBatcher(settings.api, waiting, send, Counted(), lost_after=0.2)
    batcher._warm = "lookup.gone@nowhere", time.monotonic()
    try:
        assert batcher.run([question()], "", 30) == [{"results": []}]
        assert client.llen("lookup.gone@nowhere") == 1
    finally:
        client.delete("lookup.gone@nowhere")
        batcher.close()


def test_a_worker_of_other_queues_has_none_of_its_own() -> None:
    queues = app.amqp.Queues({"submission": {}, "index": {}})
    queues.select(["submission"])
    own_queue.serve(queues, "submission@here")
    assert list(queues.consume_from) == ["submission"]
    assert own_queue.name() == ""
