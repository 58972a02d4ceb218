"""A search of a task ends at a deadline. There is no short answer, and no submission is lost."""

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import celery
import pytest
import structlog
from celery.exceptions import Ignore

from pipeline.fingerprint.codec import compress
from pipeline.imports import score as import_score
from pipeline.index import Hits, SearchTimeout
from pipeline.lookups.validate import validate_lookups
from pipeline.messages import BackgroundLookup, Lookup, LookupBatch, to_message
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks import submission as submission_tasks
from tasks.celery import app
from tasks.lookups import background_lookup, lookup, lookup_task, stages
from tasks.redis_state import background_records, lookup_replies
from tasks.worker_resources import WorkerResources
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.limited_reader import LimitedReader
from tests.support.catalogue.synthetic import fingerprint
from tests.support.metrics import Counted

SLOW = 60.0  # seconds of a search, longer than any deadline here

SCORE = stages.STAGES["lookup.score"]

Make = Callable[..., WorkerResources]


@pytest.fixture
def importer(databases: Databases, settings: Settings) -> Importer:
    """A catalogue with one recording."""
    importer = Importer(databases, settings.fingerprint_index.path)
    importer.run(importer.receipt(fingerprint(1)))
    return importer


@pytest.fixture
def searches() -> list[dict[str, Any]]:
    """The options of each search."""
    return []


@pytest.fixture
def make(
    importer: Importer,
    settings: Settings,
    searches: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> Make:
    """Return a function that gives tasks in this process the resources of a worker."""

    def make(seconds: float = 0.0, max_postings: int = 0, *, is_partial: bool = False) -> Any:
        index = settings.fingerprint_index.model_copy(update={"max_postings": max_postings})
        here = settings.model_copy(update={"fingerprint_index": index})
        reader = LimitedReader(index.path, searches, is_partial=is_partial, seconds=seconds)
        made = WorkerResources(here, importer.databases, connect(here.redis), Counted())
        made.__dict__["index_reader"] = reader  # as `cached_property` stores it
        for module in (stages, lookup_task, background_lookup, submission_tasks):
            monkeypatch.setattr(module, "worker_resources", lambda: made)
        monkeypatch.setattr("tasks.stage_task.worker_resources", lambda: made)
        return made

    return make


def batch(seconds: float, key: str = "nowhere") -> LookupBatch:
    asked = Lookup(request=0, duration=200, fingerprint=compress(fingerprint(1)))
    return validate_lookups(LookupBatch("b", key, time.time() + seconds, [""], [asked]))


def test_a_lookup_gets_the_time_until_its_deadline(
    make: Make, searches: list[dict[str, Any]]
) -> None:
    make()
    [found] = SCORE(batch(60.0)).lookups
    assert (len(found.hits), found.partial) == (1, False)
    [options] = searches
    assert 30.0 < options["timeout"] <= 60.0
    assert options["max_postings"] is None


def test_the_limit_of_the_settings_is_used_and_counted(
    make: Make, searches: list[dict[str, Any]]
) -> None:
    metrics = make(max_postings=500).metrics
    described = stages.describe_batch(SCORE(batch(60.0)))
    assert searches[0]["max_postings"] == 500
    assert described.reply.answers[0]["partial"] is True
    assert isinstance(metrics, Counted)
    assert metrics.counts["api.lookup.partial_total"] == 1


@pytest.mark.parametrize("seconds", [0.05, 1e-5])
def test_an_expensive_lookup_ends_at_its_deadline_without_an_answer(
    make: Make, seconds: float
) -> None:
    made = make(SLOW)
    key = lookup_replies.reply_key()
    begun = time.monotonic()
    with pytest.raises(Ignore):
        stages.run_stage("lookup.score", batch(seconds, key))
    assert time.monotonic() - begun < 5.0
    assert made.redis.exists(key) == 0
    with pytest.raises(SearchTimeout):
        stages.LOOKUPS.score(batch(seconds, key))


def test_a_slow_server_is_asked_again_while_there_is_time(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Celery retries a task after `SearchTimeout`."""

    def time_out(*_: object, **__: object) -> list[Hits]:
        raise SearchTimeout("no answer in time")

    make()
    monkeypatch.setattr(LimitedReader, "search", time_out)
    with pytest.raises(SearchTimeout):
        stages.run_stage("lookup.score", batch(60.0))
    assert issubclass(SearchTimeout, lookup.score.autoretry_for)


def test_a_background_lookup_that_takes_too_long_fails_with_a_reason(make: Make) -> None:
    made = make(SLOW)
    asked = Lookup(request=0, duration=200, fingerprint=compress(fingerprint(1)))
    question = BackgroundLookup([asked], "", batch=False, application_id=7)
    with pytest.raises(SearchTimeout) as caught:
        background_lookup.find_answers(question, 0.05)
    task_id = str(uuid4())
    background_records.create(made.redis, task_id, "{}")
    fail(background_lookup.look_up, caught.value, task_id)
    record = background_records.find(made.redis, task_id)
    assert record is not None
    assert record["state"] == "failed"
    assert record["reason"] == "service currently unavailable, try again later"


def test_all_attempts_of_a_background_lookup_fit_into_the_time_limit_of_a_task() -> None:
    """A slow lookup would hold a solo worker five times 15 s."""
    limits = background_lookup.TIME_LIMITS
    assert len(limits) == background_lookup.look_up.max_retries + 1
    assert sum(limits) <= app.conf.task_time_limit


def test_the_lookups_of_a_background_request_share_its_time(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    given: list[float] = []

    def answer(_lookups: list[Lookup], _meta: str, time_limit: float) -> list[dict[str, str]]:
        given.append(time_limit)
        return [{"error": "bad"}]

    monkeypatch.setattr(background_lookup, "answer_lookups", answer)
    asked = [Lookup(request=0, duration=200, fingerprint=b"") for _ in range(3)]
    background_lookup.find_answers(BackgroundLookup(asked, "", batch=False, application_id=7), 9.0)
    assert 9.0 >= given[0] > given[1] > given[2]


def test_a_submission_whose_search_takes_too_long_is_neither_lost_nor_doubled(
    make: Make, importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(SLOW)
    monkeypatch.setattr(import_score, "IMPORT_SEARCH_TIMEOUT", 0.02)
    _, ids = importer.receive([importer.receipt(fingerprint(seed)) for seed in (1, 2)])
    matched = submission_tasks.dedupe_submissions(
        submission_tasks.validate_submissions(ids, importer.databases), importer.databases
    )
    for each in matched.submissions:
        each.twins = []  # a search would not be needed
    message = to_message(matched)
    with pytest.raises(SearchTimeout) as caught:
        import_score.match_submissions(matched, made.index, importer.databases)
    fail(submission_tasks.score, caught.value, "task", message)
    assert {each.state for each in importer.statuses(ids)} == {"pending"}
    assert importer.tracks() == 1

    importer.persist(importer.match(ids[1:]))  # a later attempt, with time enough
    assert importer.tracks() == 2
    assert [each.state for each in importer.statuses(ids)] == ["pending", "imported"]


def fail(task: celery.Task, error: Exception, task_id: str, *args: object) -> None:
    """Run the task's handler of the last failure, without the time that a traceback takes."""
    with structlog.testing.capture_logs():
        task.on_failure(error, task_id, args, {}, None)


def test_imports_are_exact_and_report_a_partial_answer(
    make: Make, importer: Importer, searches: list[dict[str, Any]]
) -> None:
    made = make(max_postings=500, is_partial=True)
    _, ids = importer.receive([importer.receipt(fingerprint(2))])
    validated = submission_tasks.validate_submissions(ids, importer.databases)
    deduped = submission_tasks.dedupe_submissions(validated, importer.databases)
    with structlog.testing.capture_logs() as logs:
        import_score.match_submissions(deduped, made.index, importer.databases)
    [options] = searches
    assert options["max_postings"] is None
    assert options["timeout"] == import_score.IMPORT_SEARCH_TIMEOUT
    assert [each["submissions"] for each in logs if "left out candidates" in each["event"]] == [1]
