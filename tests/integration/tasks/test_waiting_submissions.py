"""Submissions wait in the database while the queue is full, and are sent in their order."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa

from pipeline.catalog.ingest import leases
from pipeline.catalog.ingest.tables import submission
from pipeline.lookups.condition import Condition
from pipeline.runtime.databases import Databases
from pipeline.runtime.statsd_metrics import connect_metrics
from pipeline.settings.sections import Settings
from tasks.imports import waiting_submissions
from tasks.periodic.receipts_and_queues import sweep
from tasks.queues import SUBMISSION
from tasks.redis_state import heartbeats, import_backlog
from tasks.redis_state.heartbeats import WorkerReport
from tasks.worker_resources import WorkerResources
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint
from tests.support.processes.heartbeats import forget
from tests.support.processes.scratch_redis import on_scratch, scratch_redis


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with scratch_redis(settings) as client:
        yield client


@pytest.fixture
def resources(databases: Databases, settings: Settings, client: redis.Redis) -> WorkerResources:
    heartbeats.store(client, WorkerReport("submission@here", ("submission",), Condition.OK))
    metrics = connect_metrics(settings.statsd)
    return WorkerResources(on_scratch(settings), databases, client, metrics)


@pytest.fixture
def sent(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The ids of the submissions of each chain; a chain adds one message to the queue."""
    chains: list[list[int]] = []

    def send(ids: list[int]) -> None:
        chains.append(ids)
        client.lpush(SUBMISSION, str(ids))

    monkeypatch.setattr(waiting_submissions, "send_submissions", send)
    return chains


def receive(databases: Databases, count: int) -> list[int]:
    """Receive submissions that are due."""
    importer = Importer(databases, Path("unused"))
    _, ids = importer.receive([importer.receipt(fingerprint(seed)) for seed in range(count)])
    with databases.engine("ingest").begin() as connection:
        leases.end_all(connection)
    return ids


def attempts(databases: Databases) -> list[int]:
    with databases.engine("ingest").connect() as connection:
        return list(connection.execute(sa.select(submission.c.attempts)).scalars())


@pytest.mark.parametrize("condition", [Condition.MISSING, Condition.UNREACHABLE])
def test_nothing_is_sent_while_the_index_is_unusable(
    resources: WorkerResources, sent: list[list[int]], condition: Condition
) -> None:
    ids = receive(resources.databases, 1)
    heartbeats.store(resources.redis, WorkerReport("submission@here", ("submission",), condition))
    sweep(resources)
    assert sent == []
    assert attempts(resources.databases) == [0]
    heartbeats.store(
        resources.redis, WorkerReport("submission@here", ("submission",), Condition.OK)
    )
    sweep(resources)
    forget(resources.redis, "submission@here")
    assert sent == [ids]


def test_submissions_in_the_queue_are_not_sent_again(
    resources: WorkerResources, sent: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_submissions, "MAX_BATCH", 2)
    ids = receive(resources.databases, 11)
    for _ in range(3):
        sweep(resources)
    assert sent == [ids[0:2], ids[2:4], ids[4:6], ids[6:8]]
    assert sorted(attempts(resources.databases)) == [0] * 3 + [1] * 8

    # A worker takes a message, and sends the next submissions when its chain ends.
    resources.redis.rpop(SUBMISSION)
    waiting_submissions.send_next(resources)
    assert sent[4:] == [ids[8:10]]
    resources.redis.rpop(SUBMISSION, 2)
    waiting_submissions.send_next(resources)
    assert sent[5:] == [ids[10:]]
    assert not import_backlog.queue_state(resources.redis).has_backlog


def test_a_lost_queue_is_sent_again_at_once(
    resources: WorkerResources, sent: list[list[int]]
) -> None:
    ids = receive(resources.databases, 3)
    sweep(resources)
    resources.redis.delete(SUBMISSION)  # only the message is lost
    sweep(resources)
    assert sent == [ids]
    resources.redis.flushdb()
    sweep(resources)
    assert sent == [ids, ids]


def test_submissions_are_due_again_if_the_broker_fails(
    resources: WorkerResources, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = receive(resources.databases, 3)

    def fail(_: list[int]) -> None:
        raise redis.ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(waiting_submissions, "send_submissions", fail)
        with pytest.raises(redis.ConnectionError):
            sweep(resources)
    with resources.databases.engine("ingest").begin() as connection:
        assert [each.id for each in leases.claim(connection, 10)] == ids


def test_waiting_messages_keep_their_leases(resources: WorkerResources) -> None:
    """While no worker takes a message, its submissions are not sent again."""
    ids = receive(resources.databases, 3)
    header = {"headers": {import_backlog.IDS_HEADER: ids[:2]}}
    resources.redis.lpush(SUBMISSION, json.dumps(header), "not a message of a stage")
    waiting_submissions.renew_waiting(resources)
    with resources.databases.engine("ingest").begin() as connection:
        assert [each.id for each in leases.claim(connection, 10)] == ids[2:]


def test_without_a_worker_one_message_waits(
    resources: WorkerResources, sent: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_submissions, "MAX_BATCH", 2)
    for node in heartbeats.alive(resources.redis):
        forget(resources.redis, node)
    ids = receive(resources.databases, 5)
    sweep(resources)
    sweep(resources)
    assert sent == [ids[:2]]


def test_single_submissions_fill_the_queue_only_once(
    resources: WorkerResources, sent: list[list[int]]
) -> None:
    ids = receive(resources.databases, 9)
    with resources.databases.engine("ingest").begin() as connection:
        connection.execute(sa.update(submission).values(attempts=7))
    sweep(resources)
    assert sent == [[number] for number in ids[: import_backlog.MAX_WAITING]]
    assert sorted(attempts(resources.databases)) == [7] * 5 + [8] * 4
    assert import_backlog.queue_state(resources.redis).has_backlog
