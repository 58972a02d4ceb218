"""Excerpts and second chances on real workers, in the background, without a sketch index."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from celery.exceptions import Ignore
from kombu import Exchange, Queue

from cli.stack.roles import Layout, roles
from pipeline.fingerprint.codec import compress
from pipeline.lookups.condition import Condition
from pipeline.lookups.dedupe import dedupe_lookups
from pipeline.lookups.trusted_index import IndexUnusable
from pipeline.messages import BackgroundLookup, Lookup, LookupBatch, LookupReply, from_message
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import CelerySettings, Settings
from tasks import dispatch, queues, task_names
from tasks.celery import app
from tasks.fast_path.lookup_sender import LookupSender
from tasks.fast_path.switches import FastPath
from tasks.lookups import background_lookup, lookup_task, stages
from tasks.redis_state import heartbeats, lookup_replies
from tasks.redis_state.heartbeats import WorkerReport
from tasks.worker_resources import WorkerResources
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.sketches import RATE, excerpt, fill_sketch, recording, with_intro
from tests.support.clients.lookup_front_end import ask
from tests.support.metrics import Counted
from tests.support.polling import eventually
from tests.support.processes.heartbeats import forget
from tests.support.processes.workers import (
    point_celery_at,
    running_worker,
    task_counts,
    write_config,
)

FUSED = (task_names.EXCERPT.batch, task_names.EXCERPT.sampled_batch)
OTHER = "lookup-9@elsewhere"

Make = Callable[..., WorkerResources]


@pytest.fixture(autouse=True)
def default_queues() -> None:
    """Celery reads the settings of this process before a test writes a configuration."""
    assert tuple(app.amqp.queues) == queues.names_of(CelerySettings())


@pytest.fixture
def gid(databases: Databases, settings: Settings) -> str:
    """The track of the only recording of the catalogue."""
    importer = Importer(databases, settings.fingerprint_index.path)
    [status] = importer.run(importer.receipt(recording(1)))
    return str(status.track_gid)


@pytest.fixture
def here(gid: str, databases: Databases, settings: Settings, tmp_path: Path) -> Settings:
    """Settings with a complete sketch index."""
    del gid
    fill_sketch(databases, tmp_path / "sketch")
    index = settings.fingerprint_index.model_copy(
        update={"sketch_rate": RATE, "sketch_path": tmp_path / "sketch"}
    )
    return settings.model_copy(update={"fingerprint_index": index})


@pytest.fixture
def make(here: Settings, databases: Databases, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return a function that gives tasks in this process the resources of a worker."""

    def make(sketch_rate: int = RATE) -> WorkerResources:
        index = here.fingerprint_index.model_copy(update={"sketch_rate": sketch_rate})
        settings = here.model_copy(update={"fingerprint_index": index})
        made = WorkerResources(settings, databases, connect(here.redis), Counted())
        for module in (stages, lookup_task, background_lookup):
            monkeypatch.setattr(module, "worker_resources", lambda: made)
        monkeypatch.setattr("tasks.stage_task.worker_resources", lambda: made)
        return made

    return make


def asked(**changes: Any) -> Lookup:
    return Lookup(0, fingerprint=compress(excerpt(1, 41.2)), excerpt=True, **changes)


def chance() -> Lookup:
    """Return a lookup that only the sketch index finds."""
    words = with_intro(recording(1), 20.0)
    return Lookup(0, 200, fingerprint=compress(words), second_chance=True)


def batch(*lookups: Lookup, deadline: float = 30.0, passes: int = 0) -> LookupBatch:
    key = lookup_replies.reply_key()
    return LookupBatch("b", key, time.time() + deadline, [""], list(lookups), passes)


def excerpts(**options: Any) -> LookupBatch:
    """Return a batch of one excerpt, up to its third stage."""
    return dedupe_lookups(stages.EXCERPTS.validate(batch(asked(), **options)))


@contextmanager
def known_queue(name: str) -> Iterator[None]:
    """Let this process publish to a queue that its settings do not have."""
    assert name not in app.amqp.queues
    app.amqp.queues.add(Queue(name, Exchange(name), routing_key=name, no_ack=True))
    try:
        yield
    finally:
        del app.amqp.queues[name]


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"excerpt_queue": True}, FUSED), ({"fast_path": False}, task_names.EXCERPT.stages)],
    ids=["fast path and own queue", "chain on the queue of lookups"],
)
def test_a_worker_answers_excerpts(
    here: Settings, gid: str, tmp_path: Path, options: dict[str, bool], expected: tuple[str, ...]
) -> None:
    celery = here.celery.model_copy(update=options)
    with_options = here.model_copy(update={"celery": celery})
    config = write_config(with_options, tmp_path / "acoustid.conf")
    point_celery_at(config, with_options)
    layout = Layout("127.0.0.1", 0, None, workers=1, excerpt_queue=celery.excerpt_queue)
    name = queues.queue_of_excerpts(celery)
    [role] = [role for role in roles(layout) if role.name == f"worker-{name}-1"]
    client = connect(here.redis, blocking=True)
    with ExitStack() as stack:
        if celery.excerpt_queue:
            stack.enter_context(known_queue(queues.EXCERPT))
        stack.enter_context(running_worker(role, config, tmp_path / "log", with_options))
        sender = dispatch.excerpt_sender(with_options)
        few = Lookup(0, fingerprint=compress(recording(1)[:5]), excerpt=True)
        wanted = (asked(), few, Lookup(0, track_gid=gid), asked())
        for _ in range(2):
            reply = ask(client, batch(*wanted), sender.send)
        found, refused, by_id, again = reply.answers
        assert [each["id"] for each in found["results"]] == [gid]
        assert found["results"][0]["match"]["offset"] == pytest.approx(41.2, abs=0.1)
        assert refused["error"].startswith("it has 5 distinct words; it needs ")
        assert by_id == {"results": [{"id": gid, "score": 1.0}]}
        assert again == found
        [counts] = task_counts(1)
        assert set(counts) == set(expected)
        report = eventually(lambda: _report(client, role.node or ""))
        assert report.queues[0] == name
        if not celery.excerpt_queue:
            lookups = LookupSender(FastPath.of(with_options))
            [answer] = ask(client, batch(chance()), lookups.send).answers
            assert answer["results"][0]["match"]["offset"] == pytest.approx(-20.0, abs=0.1)


def _report(client: redis.Redis, node: str) -> WorkerReport | None:
    reports = heartbeats.reports(client)
    return next((each for each in reports if each.node.startswith(f"{node}@")), None)


def test_a_second_chance_is_counted_and_ends_before_the_deadline(make: Make) -> None:
    metrics = make().metrics
    assert isinstance(metrics, Counted)
    score = stages.STAGES["lookup.score"]
    validated = stages.LOOKUPS.validate(batch(chance()))
    [found] = score(validated).lookups
    assert (len(found.hits), found.partial) == (1, False)
    late = stages.LOOKUPS.validate(batch(chance(), deadline=stages.REPLY_SECONDS / 2))
    [without] = score(late).lookups
    assert (without.hits, without.partial) == ([], True)
    assert metrics.counts["api.lookup.second_chances.total"] == 2
    assert metrics.counts["api.lookup.second_chance_matches.total"] == 1


def test_a_second_chance_without_a_sketch_index_leaves_a_partial_answer(make: Make) -> None:
    make(sketch_rate=0)
    scored = stages.STAGES["lookup.score"](stages.LOOKUPS.validate(batch(chance())))
    assert stages.describe_batch(scored).reply.answers == [{"results": [], "partial": True}]


def test_excerpts_are_counted_under_their_own_names(make: Make) -> None:
    metrics = make().metrics
    assert isinstance(metrics, Counted)
    carried = batch(asked())
    for name in task_names.EXCERPT.stages:
        carried = stages.STAGES[name](carried)
    counts = metrics.counts
    assert counts["pipeline.batches_total.excerpt"] == counts["api.excerpt.matches.total"] == 1
    assert counts["api.lookup.searches.total"] == 0


def test_a_late_batch_of_excerpts_ends_without_a_reply(make: Make) -> None:
    made, late = make(), excerpts(deadline=1e-5)
    with pytest.raises(Ignore):
        stages.STAGES["excerpt.score"](late)
    assert made.redis.exists(late.reply_to) == 0


def test_without_a_usable_sketch_index_excerpts_are_passed_on_or_fail(
    make: Make, tmp_path: Path, here: Settings
) -> None:
    point_celery_at(write_config(here, tmp_path / "acoustid.conf"), here)
    made, score = make(sketch_rate=0), stages.STAGES["excerpt.score"]
    made.redis.delete(queues.LOOKUP)
    for node in heartbeats.alive(made.redis):  # of workers of other tests
        forget(made.redis, node)
    index_only = WorkerReport(OTHER, (queues.LOOKUP,), Condition.OK)
    with_sketch = WorkerReport(OTHER, (queues.LOOKUP,), Condition.OK, sketch=Condition.OK)
    filling = WorkerReport(OTHER, (queues.LOOKUP,), Condition.OK, sketch=Condition.FILLING)
    try:
        for report, passes in ((index_only, 0), (filling, 0), (with_sketch, stages.MOST_PASSES)):
            heartbeats.store(made.redis, report)
            failing = excerpts(passes=passes)
            with pytest.raises(Ignore):
                score(failing)
            reply = lookup_replies.pop(made.redis, failing.reply_to, 1)
            assert reply == LookupReply("b", [], failed=True, transient=True)
        with pytest.raises(Ignore):
            score(excerpts())
        with app.connection_for_read() as connection:
            message = app.amqp.queues[queues.LOOKUP](connection.default_channel).get(
                no_ack=True, accept=app.conf.accept_content
            )
    finally:
        forget(made.redis, OTHER)
        made.redis.delete(queues.LOOKUP)
    [carried], _, embedded = message.decode()
    passed_on = from_message(LookupBatch, carried)
    assert (passed_on.passes, bool(passed_on.lookups[0].words)) == (1, True)
    assert message.headers["task"] == "excerpt.score"
    assert [each["task"] for each in embedded["chain"]] == ["excerpt.describe"]


def test_background_lookups_have_both_flags(make: Make, gid: str) -> None:
    make()
    for lookup in (asked(), chance()):
        question = BackgroundLookup([lookup], "", batch=False, application_id=7)
        [answer] = background_lookup.find_answers(question)
        [result] = answer["results"]
        assert (result["id"], set(result)) == (gid, {"id", "score", "match"})
    make(sketch_rate=0)
    question = BackgroundLookup([asked()], "", batch=True, application_id=7)
    with pytest.raises(IndexUnusable):
        background_lookup.find_answers(question)
    assert issubclass(IndexUnusable, background_lookup.look_up.autoretry_for)
