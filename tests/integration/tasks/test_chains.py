"""The chains of tasks on real workers, a real broker and real databases."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import redis
import sqlalchemy as sa

from api.access.redis_outage import RedisCircuitBreaker
from api.lookups.answer_cache import AnswerCache
from api.lookups.tracked_generation import TrackedGeneration
from pipeline.catalog.changelog_position import newest_position
from pipeline.catalog.fingerprint import tables as fingerprint_tables
from pipeline.catalog.ingest import tables as ingest_tables
from pipeline.catalog.ingest.submission_status import TaskStatus, task_status
from pipeline.fingerprint.codec import compress
from pipeline.index import open_reader
from pipeline.messages import Lookup, LookupBatch, LookupReply
from pipeline.runtime import trace
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks import dispatch, queues
from tasks.celery import app
from tasks.fast_path.lookup_sender import LookupSender
from tasks.fast_path.switches import FastPath
from tasks.periodic.receipts_and_queues import sweep_receipts
from tasks.redis_state import lookup_replies
from tasks.redis_state.task_progress import progress_key
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import Words, fingerprint, near_copy
from tests.support.clients.batchers import batcher_for_workers
from tests.support.clients.lookup_front_end import ask
from tests.support.metrics import Counted
from tests.support.polling import eventually
from tests.support.processes.workers import point_celery_at, running_workers, write_config


@dataclass
class Stack:
    """The workers of a stack, their logs, and their databases and index."""

    importer: Importer
    redis: redis.Redis
    logs: dict[str, Path]
    settings: Settings

    def __post_init__(self) -> None:
        self.sender = LookupSender(FastPath.of(self.settings))

    def submit(self, *words: Words) -> UUID:
        task_id, ids = self.importer.receive([self.importer.receipt(each) for each in words])
        dispatch.send_submissions(ids)
        return task_id

    def finished(self, task_id: UUID, seconds: float = 60.0) -> TaskStatus:
        def ask() -> TaskStatus | None:
            status = task_status(self.importer.databases, task_id)
            return status if status and status.finished else None

        return eventually(ask, seconds)

    def answers_lookups(self) -> bool:
        """Return whether the workers accept the index."""
        return bool(self.look_up(fingerprint(0)).answers)

    def is_idle(self) -> bool:
        """Return whether no task waits or runs and the index is up to date."""
        active = app.control.inspect().active()  # None without an answer
        with self.importer.databases.engine("fingerprint").connect() as connection:
            newest = newest_position(connection)
        with open_reader(self.importer.index_path) as index:
            is_current = index.position() == newest
        is_resting = active is not None and not any(active.values())
        return is_resting and is_current and not any(map(self.redis.llen, queues.NAMES))

    def look_up(self, *words: Words, compressed: bytes | None = None) -> LookupReply:
        key = lookup_replies.reply_key()
        asked = [compress(each) for each in words] + ([compressed] if compressed else [])
        lookups = [Lookup(request=0, duration=200, fingerprint=each) for each in asked]
        batch = LookupBatch(uuid4().hex, key, time.time() + 30, ["recordingids"], lookups)
        reply = ask(self.redis, batch, self.sender.send)
        assert reply.id == batch.id
        return reply

    def recordings(self, words: Words) -> set[str]:
        """Return the MBIDs that a lookup finds."""
        [answer] = self.look_up(words).answers
        return {each["id"] for hit in answer["results"] for each in hit.get("recordings", ())}


@pytest.fixture(scope="module", params=[True, False], ids=["fast path", "without"])
def fast_path(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings with the fast path of lookups on, and with it off."""
    celery = settings.celery.model_copy(update={"fast_path": request.param})
    return settings.model_copy(update={"celery": celery})


@pytest.fixture(scope="module")
def logs(
    fast_path: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Path]]:
    folder = tmp_path_factory.mktemp("workers")
    config = write_config(fast_path, folder / "acoustid.conf")
    point_celery_at(config, fast_path)
    with running_workers(config, folder, fast_path) as logs:
        yield logs


@pytest.fixture
def stack(logs: dict[str, Path], fast_path: Settings, databases: Databases) -> Iterator[Stack]:
    importer = Importer(databases, fast_path.fingerprint_index.path)
    stack = Stack(importer, connect(fast_path.redis, blocking=True), logs, fast_path)
    # The fixtures empty the index before the databases. A worker that looks between the two refuses
    # the index for a while.
    eventually(stack.answers_lookups)
    yield stack
    # Running tasks would write into the databases and the index of the next test.
    eventually(stack.is_idle)


def test_a_request_is_imported_and_found(stack: Stack) -> None:
    words = [fingerprint(seed) for seed in range(5)]
    task_id = stack.submit(*words)
    status = stack.finished(task_id)
    assert {each.state for each in status.submissions} == {"imported"}
    assert stack.redis.hget(progress_key(str(task_id)), "stage") == b"index"

    def all_found() -> bool:
        reply = stack.look_up(*(near_copy(each, 9, 0.02) for each in words))
        found = [answer["results"] for answer in reply.answers]
        return [each[0]["id"] if each else None for each in found] == [
            str(each.track_gid) for each in status.submissions
        ]

    assert eventually(all_found)


def test_cached_answers_show_imports_at_once(stack: Stack, settings: Settings) -> None:
    metrics = Counted()
    caches = FastPath.of(stack.settings).caches_generation
    generation = TrackedGeneration(connect(settings.redis), RedisCircuitBreaker(), caches=caches)
    with batcher_for_workers(settings.redis, metrics, stack.sender.send) as batcher:
        answers = AnswerCache(batcher.look_up, generation.current)
        _check_that_imports_show(stack, answers, metrics)


def _check_that_imports_show(stack: Stack, answers: AnswerCache, metrics: Counted) -> None:
    question = Lookup(request=0, duration=200, fingerprint=compress(fingerprint(1)))

    def ask() -> list[str]:
        [answer] = answers.look_up([question], "recordingids", time.monotonic() + 30)
        return [recording["id"] for hit in answer["results"] for recording in hit["recordings"]]

    def sent() -> int:
        return metrics.counts["pipeline.batches_total.front_end"]

    assert ask() == []
    eventually(lambda: (before := sent()) and ask() == [] and sent() == before)
    first, second = uuid4(), uuid4()
    for mbids in ([first], [first, second]):
        receipt = stack.importer.receipt(fingerprint(1), mbid=str(mbids[-1]))
        dispatch.send_submissions(stack.importer.receive([receipt])[1])
        # When a lookup without the cache shows the import, the cached answer must show it too.
        eventually(lambda wanted=mbids: stack.recordings(fingerprint(1)) == set(map(str, wanted)))
        assert set(ask()) == set(map(str, mbids))


def test_an_invalid_fingerprint_affects_only_its_own_answer(stack: Stack) -> None:
    reply = stack.look_up(fingerprint(1), compressed=compress(fingerprint(1))[:50])
    assert reply.answers[0] == {"results": []}
    assert set(reply.answers[1]) == {"error"}


def test_the_trace_id_is_passed_along_the_chain(stack: Stack) -> None:
    with trace.trace() as trace_id:
        task_id = stack.submit(fingerprint(1))
    stack.finished(task_id)
    eventually(lambda: trace_id in stack.logs["worker-submission"].read_text())


def test_a_faulty_submission_does_not_stop_the_others(stack: Stack) -> None:
    receipts = [stack.importer.receipt(fingerprint(seed)) for seed in range(3)]
    task_id, ids = stack.importer.receive(receipts)
    with stack.importer.databases.engine("ingest").begin() as connection:
        connection.execute(
            sa.update(ingest_tables.submission)
            .where(ingest_tables.submission.c.id == ids[1])
            .values(words=b"abc")
        )
    dispatch.send_submissions(ids)
    good, bad, also_good = stack.finished(task_id).submissions
    assert (good.state, also_good.state) == ("imported", "imported")
    assert bad.state == "failed"
    assert bad.reason is not None
    assert "submission.validate" in bad.reason
    assert "buffer" not in bad.reason


def test_requests_in_one_chain_have_separate_results(stack: Stack) -> None:
    receive, receipt = stack.importer.receive, stack.importer.receipt
    one, first = receive([receipt(fingerprint(1)), receipt(fingerprint(2))])
    other, second = receive([receipt(fingerprint(1)), receipt(fingerprint(3), mbid=None)])
    dispatch.send_submissions([*first, *second])
    states = [[each.state for each in stack.finished(task).submissions] for task in (one, other)]
    assert states == [["imported", "imported"], ["imported", "rejected"]]
    for task in (one, other):
        assert stack.redis.hget(progress_key(str(task)), "started") is not None


def test_the_sweeper_restarts_a_receipt_without_a_chain(stack: Stack) -> None:
    task_id, _ = stack.importer.receive([stack.importer.receipt(fingerprint(1))])
    with stack.importer.databases.engine("ingest").begin() as connection:
        connection.execute(sa.update(ingest_tables.submission).values(retry_at=sa.func.now()))

    def is_finished() -> bool:
        # The service repeats the sweep every 5 s, too. A sweep sends nothing while the worker's
        # last heartbeat refuses the index, such as after the fixtures have emptied it.
        sweep_receipts.apply_async(ignore_result=True)
        try:
            stack.finished(task_id, seconds=2)
        except AssertionError:
            return False
        return True

    eventually(is_finished)
    assert [each.state for each in stack.finished(task_id).submissions] == ["imported"]


def test_a_chain_that_is_sent_repeatedly_imports_once(stack: Stack) -> None:
    task_id, ids = stack.importer.receive([stack.importer.receipt(fingerprint(1))])
    for _ in range(4):
        dispatch.send_submissions(ids)
    stack.finished(task_id)
    eventually(lambda: stack.redis.llen("submission") == 0)
    [stored] = stack.importer.rows(fingerprint_tables.fingerprint)
    assert stored.submission_count == 1
