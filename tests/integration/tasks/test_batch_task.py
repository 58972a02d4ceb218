"""A batch runs as one task with the fast path and as four without; the answers are the same."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis

from cli.stack.roles import Layout, roles
from cli.stack.servers.ports import LOOPBACK, free_port
from pipeline.fingerprint.codec import compress
from pipeline.messages import Lookup, LookupBatch, LookupReply
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import (
    FingerprintDatabaseSettings,
    FingerprintIndexSettings,
    Settings,
)
from pipeline.storage.format import MANIFEST_NAME
from tasks.fast_path.lookup_sender import LookupSender
from tasks.fast_path.switches import FastPath
from tasks.redis_state import lookup_replies
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.index_conditions import move_in_time
from tests.support.catalogue.synthetic import fingerprint
from tests.support.clients.celery_events import received_task_events
from tests.support.clients.lookup_front_end import ask
from tests.support.polling import eventually
from tests.support.processes.workers import (
    point_celery_at,
    running_worker,
    task_counts,
    write_config,
)

FUSED = ("lookup.batch", "lookup.sampled_batch")
CHAIN = ("lookup.validate", "lookup.dedupe", "lookup.score", "lookup.describe")
LOOKUPS = 20


@dataclass
class Worker:
    """A worker of lookups and a sender of batches."""

    sender: LookupSender
    client: redis.Redis
    log: Path

    def ask(self, *, deadline: float = 30.0, reply_to: str | None = None) -> LookupReply:
        return ask(self.client, self.batch(deadline, reply_to), self.sender.send)

    def batch(self, deadline: float = 30.0, reply_to: str | None = None) -> LookupBatch:
        lookup = Lookup(request=0, duration=200, fingerprint=compress(fingerprint(1)))
        key = reply_to or lookup_replies.reply_key()
        return LookupBatch("b", key, time.time() + deadline, [""], [lookup])


@pytest.fixture
def make(settings: Settings, databases: Databases, tmp_path: Path) -> Iterator[object]:
    """Return a function that starts a worker with options of `[celery]`."""
    del databases
    with ExitStack() as stack:

        def make(
            pool: str = "solo",
            index: FingerprintIndexSettings = settings.fingerprint_index,
            number: int = 1,
            tracks: FingerprintDatabaseSettings = settings.database_fingerprint,
            **options: object,
        ) -> Worker:
            celery = settings.celery.model_copy(update=options)
            here = settings.model_copy(
                update={
                    "celery": celery,
                    "fingerprint_index": index,
                    "database_fingerprint": tracks,
                }
            )
            config = write_config(here, tmp_path / "acoustid.conf")
            point_celery_at(config, here)
            layout = Layout("127.0.0.1", 0, None, workers=number, lookup_pool=pool)
            role = roles(layout)[number - 1]
            stack.enter_context(running_worker(role, config, tmp_path / "log", here))
            sender = LookupSender(FastPath.of(here))
            return Worker(sender, connect(here.redis, blocking=True), tmp_path / "log")

        yield make


@pytest.mark.parametrize(
    ("options", "tasks"),
    [
        ({}, FUSED),
        ({"keep_producer": False}, FUSED),
        ({"acknowledge_lookups": True}, FUSED),
        ({"fuse_lookup_stages": False}, CHAIN),
        ({"fast_path": False}, CHAIN),
        ({"pool": "prefork"}, FUSED),
        ({"pool": "threads", "fast_path": False}, CHAIN),
    ],
)
def test_all_ways_of_running_the_stages_give_the_same_answer(
    make, settings: Settings, databases: Databases, options: dict[str, Any], tasks: tuple[str, ...]
) -> None:
    importer = Importer(databases, settings.fingerprint_index.path)
    [status] = importer.run(importer.receipt(fingerprint(1)))
    worker = make(**options)
    answers = [{"results": [{"id": str(status.track_gid), "score": 1.0}]}]
    assert [worker.ask().answers for _ in range(2)] == [answers] * 2
    # A task is counted when it begins, so before the reply.
    [counts] = task_counts(1)
    if tasks == CHAIN:
        assert counts == dict.fromkeys(CHAIN, 2)
    else:  # the second batch is sampled too if it is sent a second later
        assert set(counts) <= set(tasks)
        assert sum(counts.values()) == 2


@pytest.mark.parametrize("fast_path", [True, False])
def test_a_late_batch_is_dropped_and_the_next_one_answered(make, fast_path: bool) -> None:
    worker = make(fast_path=fast_path)
    key = lookup_replies.reply_key()
    worker.sender.send(worker.batch(deadline=-1.0, reply_to=key))
    worker.ask()
    assert "lookup batch is late" in worker.log.read_text()
    assert worker.client.exists(key) == 0
    [counts] = task_counts(1)
    assert sum(counts.values()) == (2 if fast_path else 5)


@pytest.mark.parametrize("fast_path", [True, False])
def test_a_failed_batch_is_reported_to_the_front_end(make, fast_path: bool) -> None:
    worker = make(fast_path=fast_path)
    batch = worker.batch()
    batch.lookups[0].request = 7  # the batch has one request
    reply = ask(worker.client, batch, worker.sender.send)
    assert (reply.failed, reply.transient, reply.answers) == (True, False, [])
    assert not worker.ask().failed


@pytest.mark.parametrize("fast_path", [True, False])
def test_a_transient_error_is_retried_before_it_is_reported(
    make, settings: Settings, fast_path: bool
) -> None:
    nowhere = settings.database_fingerprint.model_copy(update={"port": free_port()})
    worker = make(tracks=nowhere, fast_path=fast_path)
    batch = worker.batch()
    batch.lookups = [Lookup(request=0, track_gid=str(uuid4()))]
    reply = ask(worker.client, batch, worker.sender.send)
    assert (reply.failed, reply.transient, reply.answers) == (True, True, [])
    [counts] = task_counts(1)
    assert sum(counts.values()) == (3 if fast_path else 5)  # three tries of one task


def test_lookups_during_an_outage_of_the_index_server_log_no_errors(make) -> None:
    nowhere = FingerprintIndexSettings(protocol="http", host=LOOPBACK, port=free_port())
    worker = make(index=nowhere)
    for _ in range(3):
        reply = worker.ask()
        assert (reply.failed, reply.transient, reply.answers) == (True, True, [])
    [counts] = task_counts(1)
    assert sum(counts.values()) == 3
    log = worker.log.read_text()
    assert "Traceback" not in log
    assert "ERROR" not in log
    assert log.count("the index is not usable") == 1


def test_an_unusable_index_is_reported_without_a_retry(make, settings: Settings) -> None:
    """The chain of four tasks ends with the third one."""
    index = settings.fingerprint_index.path
    index.mkdir(exist_ok=True)
    (index / MANIFEST_NAME).write_bytes(b"damaged")
    worker = make(fast_path=False)
    reply = worker.ask()
    assert (reply.failed, reply.transient, reply.answers) == (True, True, [])
    [counts] = task_counts(1)
    assert counts == dict.fromkeys(CHAIN[:3], 1)
    (index / MANIFEST_NAME).unlink()


def test_a_worker_without_an_index_passes_batches_on(
    make, settings: Settings, databases: Databases, tmp_path: Path
) -> None:
    importer = Importer(databases, settings.fingerprint_index.path)
    importer.run(importer.receipt(fingerprint(1)), index=False)
    move_in_time(databases, "-1 hour")
    importer.update_index()
    nowhere = settings.fingerprint_index.model_copy(update={"path": tmp_path / "nowhere"})
    make(index=nowhere)
    worker = make(number=2)
    assert not any(worker.ask().failed for _ in range(LOOKUPS))
    passed_on = sum(counts.get("lookup.score", 0) for counts in task_counts(2))
    assert passed_on > 0


def test_a_worker_creates_no_key_with_its_name(make) -> None:
    worker = make()
    worker.ask()

    def named() -> list[bytes]:
        return [key for key in worker.client.scan_iter("_kombu.binding*") if b"lookup-1@" in key]

    assert named() == []


@pytest.mark.parametrize("acknowledge", [False, True])
def test_the_broker_copies_messages_of_lookups_only_by_setting(make, acknowledge: bool) -> None:
    worker = make(acknowledge_lookups=acknowledge)

    def deleted() -> int:
        commands = worker.client.info("commandstats")
        return int(commands.get("cmdstat_hdel", {"calls": 0})["calls"])

    worker.ask()
    before = deleted()
    for _ in range(LOOKUPS):
        worker.ask()
    wanted = LOOKUPS - 1 if acknowledge else 0  # the last acknowledgement may come later
    eventually(lambda: deleted() - before >= wanted)
    assert deleted() - before in ({0} if not acknowledge else range(LOOKUPS - 1, LOOKUPS + 2))
    eventually(lambda: worker.client.hlen("unacked") == 0)


def test_one_batch_per_second_has_events(make, settings: Settings) -> None:
    worker = make()
    with received_task_events(settings) as events:
        begun = time.monotonic()
        for _ in range(LOOKUPS):
            worker.ask()
        most = 1 + int(time.monotonic() - begun)
        eventually(lambda: any(each["type"] == "task-succeeded" for each in events))
    received = [each["name"] for each in events if each["type"] == "task-received"]
    assert set(received) == {"lookup.sampled_batch"}
    assert 1 <= len(received) <= most
    [counts] = task_counts(1)
    assert sum(counts.values()) == LOOKUPS
    assert counts["lookup.batch"] >= LOOKUPS - most
