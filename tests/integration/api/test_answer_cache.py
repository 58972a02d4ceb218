"""Tests of the answer cache with a real worker, a real Redis and real databases."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from uuid import UUID, uuid4

import pytest

from api.access.redis_outage import RedisCircuitBreaker
from api.lookups.answer_cache import AnswerCache
from api.lookups.batch_policy import BatchPolicy
from api.lookups.tracked_generation import TrackedGeneration
from pipeline.fingerprint.codec import compress
from pipeline.messages import Lookup
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks.fast_path.lookup_sender import LookupSender
from tasks.fast_path.switches import FastPath
from tasks.redis_state import catalogue_generation
from tests.support.catalogue.imports import MBID, Importer
from tests.support.catalogue.synthetic import fingerprint
from tests.support.clients.batchers import make_batcher
from tests.support.metrics import Counted
from tests.support.polling import eventually
from tests.support.processes.workers import (
    point_celery_at,
    running_worker,
    task_counts,
    worker_roles,
    write_config,
)

EQUAL_LOOKUPS = 20
OTHER = uuid4()


class FrontEnd:
    """The answer cache of a front end, in front of a worker; no answer expires by age."""

    def __init__(self, settings: Settings, worker: Popen[bytes]) -> None:
        self.worker = worker
        self.redis = connect(settings.redis)
        self.importer = Importer(Databases(settings), settings.fingerprint_index.path)
        self.metrics = Counted()
        self.batcher = make_batcher(
            settings.redis,
            BatchPolicy(size=100, in_flight=2, hold_back=0.025),
            LookupSender(FastPath.of(settings)).send,
            self.metrics,
            lost_after=60,
        )
        generation = TrackedGeneration(self.redis, RedisCircuitBreaker())
        self.cache = AnswerCache(self.batcher.look_up, generation.current, clock=lambda: 0.0)

    def recordings(self, seed: int = 1) -> set[UUID]:
        """Return the MBIDs that a lookup finds."""
        lookup = Lookup(request=0, duration=200, fingerprint=compress(fingerprint(seed)))
        [answer] = self.cache.look_up([lookup], "recordingids", time.monotonic() + 60)
        return {
            UUID(recording["id"]) for hit in answer["results"] for recording in hit["recordings"]
        }

    def sent_lookups(self) -> int:
        """Return how many lookups were sent to the worker."""
        return self.metrics.counts["pipeline.batch_items_total.front_end"]

    def close(self) -> None:
        self.batcher.close()
        self.redis.close()
        self.importer.databases.dispose()


def tasks() -> int:
    """Return how many tasks the worker has run."""
    [counts] = task_counts(1)
    return sum(counts.values())


@pytest.fixture
def front_end(settings: Settings, databases: Databases, tmp_path: Path) -> Iterator[FrontEnd]:
    """A front end and one worker; the catalogue has the fingerprint 1, linked to `MBID`.

    Marks of tasks that earlier tests killed are removed: with them, no answer is cached.
    """
    with connect(settings.redis) as redis:
        redis.delete(catalogue_generation.KEY)
    importer = Importer(databases, settings.fingerprint_index.path)
    importer.run(importer.receipt(fingerprint(1)))
    config = write_config(settings, tmp_path / "acoustid.conf")
    point_celery_at(config, settings)
    [role] = [role for role in worker_roles() if role.name.startswith("worker-lookup")]
    with running_worker(role, config, tmp_path / "log", settings) as worker:
        front_end = FrontEnd(settings, worker)
        yield front_end
        front_end.close()


@contextmanager
def stopped(worker: Popen[bytes]) -> Iterator[None]:
    """Stop the worker inside the block; it continues afterwards."""
    worker.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        worker.send_signal(signal.SIGCONT)


def test_equal_lookups_at_one_time_share_one_task(front_end: FrontEnd) -> None:
    with ThreadPoolExecutor(EQUAL_LOOKUPS) as threads:
        with stopped(front_end.worker):
            futures = [threads.submit(front_end.recordings) for _ in range(EQUAL_LOOKUPS)]
            eventually(lambda: all(each.running() for each in futures))
            eventually(lambda: front_end.sent_lookups() == 1)
        assert [each.result(60) for each in futures] == [{MBID}] * EQUAL_LOOKUPS
    assert front_end.sent_lookups() == 1
    assert tasks() == 1


def test_an_answer_is_kept_until_there_is_a_new_generation(front_end: FrontEnd) -> None:
    """The import bypasses the tasks that renew the generation, so the old answer stays."""
    assert [front_end.recordings() for _ in range(5)] == [{MBID}] * 5
    assert tasks() == 1
    importer = front_end.importer
    importer.run(importer.receipt(fingerprint(1), mbid=OTHER), index=False)
    assert front_end.recordings() == {MBID}
    assert front_end.recordings(seed=2) == set()
    assert tasks() == 2
    catalogue_generation.renew(front_end.redis)
    assert front_end.recordings() == {MBID, OTHER}
    assert tasks() == 3
