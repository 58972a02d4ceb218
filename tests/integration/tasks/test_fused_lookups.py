"""A lookup is one task with the fast path and four without; the answer is the same."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from cli.stack.roles import Layout, roles
from pipeline.fingerprint.codec import compress
from pipeline.messages import Lookup, LookupBatch, LookupReply
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from pipeline.storage.format import MANIFEST_NAME
from tasks.fast_path.paths import FastPath
from tasks.fast_path.sender import LookupSender
from tasks.redis_state import lookup_replies
from tests.support.celery_events import told_of_tasks
from tests.support.imports import Importer
from tests.support.lookup_front_end import ask
from tests.support.synthetic import fingerprint
from tests.support.workers import (
    eventually,
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
    """A worker of lookups and a front end that sends to it."""

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

        def make(pool: str = "solo", **options: object) -> Worker:
            celery = settings.celery.model_copy(update=options)
            here = settings.model_copy(update={"celery": celery})
            config = write_config(here, tmp_path / "acoustid.conf")
            point_celery_at(config, here)
            layout = Layout("127.0.0.1", 0, None, workers=1, lookup_pool=pool)
            role = roles(layout)[0]
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
def test_fused_or_not_a_lookup_has_the_same_answer(
    make, settings: Settings, databases: Databases, options: dict[str, Any], tasks: tuple[str, ...]
) -> None:
    importer = Importer(databases, settings.fingerprint_index.path)
    [status] = importer.run(importer.receipt(fingerprint(1)))
    worker = make(**options)
    answers = [{"results": [{"id": str(status.track_gid), "score": 1.0}]}]
    assert [worker.ask().answers for _ in range(2)] == [answers] * 2
    # The reply is sent before the task has ended, but counted when it has begun.
    [counts] = task_counts(1)
    assert set(counts) == set(tasks)
    assert set(counts.values()) == ({2} if tasks == CHAIN else {1})


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
def test_a_front_end_is_told_of_a_batch_that_fails(make, fast_path: bool) -> None:
    worker = make(fast_path=fast_path)
    batch = worker.batch()
    batch.lookups[0].request = 7  # of one request
    reply = ask(worker.client, batch, worker.sender.send)
    assert (reply.failed, reply.transient, reply.answers) == (True, False, [])
    assert not worker.ask().failed


@pytest.mark.parametrize("fast_path", [True, False])
def test_what_may_pass_is_tried_again_before_a_front_end_is_told(
    make, settings: Settings, fast_path: bool
) -> None:
    index = settings.fingerprint_index.path
    index.mkdir(exist_ok=True)
    (index / MANIFEST_NAME).write_bytes(b"damaged")
    worker = make(fast_path=fast_path)
    reply = worker.ask()
    assert (reply.failed, reply.transient, reply.answers) == (True, True, [])
    [counts] = task_counts(1)
    assert sum(counts.values()) == (3 if fast_path else 5)  # three tries of one task
    (index / MANIFEST_NAME).unlink()


def test_a_worker_leaves_nothing_in_redis_that_has_its_name(make) -> None:
    worker = make()
    worker.ask()

    def named() -> list[bytes]:
        return [key for key in worker.client.scan_iter("_kombu.binding*") if b"lookup-1@" in key]

    assert named() == []


@pytest.mark.parametrize("acknowledge", [False, True])
def test_lookups_are_kept_until_their_end_only_where_that_is_wanted(
    make, acknowledge: bool
) -> None:
    worker = make(acknowledge_lookups=acknowledge)

    def deleted() -> int:
        commands = worker.client.info("commandstats")
        return int(commands.get("cmdstat_hdel", {"calls": 0})["calls"])

    worker.ask()
    before = deleted()
    for _ in range(LOOKUPS):
        worker.ask()
    wanted = LOOKUPS - 1 if acknowledge else 0  # the last one may still be on its way
    eventually(lambda: deleted() - before >= wanted)
    assert deleted() - before in ({0} if not acknowledge else range(LOOKUPS - 1, LOOKUPS + 2))
    eventually(lambda: worker.client.hlen("unacked") == 0)


def test_events_tell_of_one_batch_a_second(make, settings: Settings) -> None:
    worker = make()
    with told_of_tasks(settings) as events:
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
