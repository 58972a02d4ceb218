"""A stage that ends early, or is delivered twice, is counted as a crash only if it was one."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from celery.exceptions import Ignore, Retry, SoftTimeLimitExceeded
from celery.worker.state import active_requests

from pipeline.catalog.ingest import attempts, submissions
from pipeline.catalog.ingest.submissions import Ending
from pipeline.catalog.ingest.tables import submission
from pipeline.messages import SubmissionBatch, SubmissionInBatch, to_message
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks import queues
from tasks import submission as stages
from tasks.celery import app
from tasks.clocks.timed_request import TimedRequest
from tasks.outcomes import submission_task
from tasks.recovery.prompt_consumer import PromptConsumer
from tasks.recovery.run_process import describe
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint
from tests.support.processes.workers import point_celery_at, write_config

NODE = "submission@here"


@pytest.fixture
def submission_id(settings: Settings, databases: Databases, tmp_path: Path) -> Iterator[int]:
    point_celery_at(write_config(settings, tmp_path / "acoustid.conf"), settings)
    importer = Importer(databases, settings.fingerprint_index.path)
    _, [received] = importer.receive([importer.receipt(fingerprint(1))])
    with connect(settings.redis) as client:
        yield received
        client.delete(*queues.NAMES)


def crashes(databases: Databases) -> int:
    with databases.engine("ingest").connect() as connection:
        return connection.execute(sa.select(submission.c.crashes)).scalar_one()


def deliver(submission_id: int, tag: str = "a", node: str = NODE) -> None:
    """Run the stage ``score`` as a worker does that receives a message.

    Args:
        submission_id: the submission of its batch.
        tag: the broker's id of the message, the same for each delivery.
        node: the name of the worker.
    """
    message = to_message(SubmissionBatch([SubmissionInBatch(submission_id, "")]))
    request: dict[str, Any] = {
        "id": "id-1",
        "args": [message],
        "kwargs": {},
        "called_directly": False,
        "hostname": node,
        "properties": {"delivery_tag": tag},
        "delivery_info": {"exchange": "", "routing_key": queues.SUBMISSION},
    }
    stages.score.push_request(**request)
    try:
        stages.score(message)
    finally:
        stages.score.pop_request()


@pytest.mark.parametrize(("rounds", "counted"), [(2, 0), (15, 1)])
def test_a_time_limit_counts_if_the_process_was_not_suspended(
    submission_id: int,
    databases: Databases,
    monkeypatch: pytest.MonkeyPatch,
    rounds: int,
    counted: int,
) -> None:
    def exceed(*_: object) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(stages, "match_submissions", exceed)
    monkeypatch.setattr(submission_task, "rounds_of", lambda _: rounds)
    with pytest.raises(Retry):
        deliver(submission_id)
    assert crashes(databases) == counted


@pytest.mark.parametrize(("is_killed", "counted"), [(False, 0), (True, 1)])
def test_a_second_delivery_counts_if_the_process_of_the_first_was_killed(
    submission_id: int, databases: Databases, is_killed: bool, counted: int
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        with databases.engine("ingest").begin() as connection:
            first = describe(NODE, process.pid)
            attempts.begin_run(connection, submission_id, "id-1:a", first)
        if is_killed:
            process.kill()
            process.wait()
        with pytest.raises(Retry):
            deliver(submission_id, "a")
        process.kill()
    assert crashes(databases) == counted


def test_the_retries_of_two_deliveries_are_two_runs(
    submission_id: int, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have the same task id and the same number of retries."""
    with databases.engine("ingest").begin() as connection:
        attempts.begin_run(connection, submission_id, "id-1:a", "submission@gone other-start/1 7 1")

    def fail(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(stages, "match_submissions", fail)
    with pytest.raises(Retry):
        deliver(submission_id, "b")
    assert crashes(databases) == 0


def test_a_submission_with_a_final_state_is_not_processed(
    submission_id: int, databases: Databases
) -> None:
    with databases.engine("ingest").begin() as connection:
        submissions.finish(
            connection, [Ending([submission_id], "failed", "a reason")], announces=False
        )
    with pytest.raises(Ignore):
        deliver(submission_id)


def test_a_run_that_its_worker_cancels_is_no_crash(
    submission_id: int, databases: Databases
) -> None:
    """A worker that stops at once kills its processes and returns their messages."""
    message = to_message(SubmissionBatch([SubmissionInBatch(submission_id, "")]))
    stages.score.apply_async((message,), task_id="id-1")
    with app.connection_for_read() as connection, connection.channel() as channel:
        received = channel.basic_get(queues.SUBMISSION, no_ack=True)
    received.accept = {"application/x-msgpack"}
    request = TimedRequest(
        received, app=app, task=stages.score, body=received.body, headers=received.headers
    )
    with databases.engine("ingest").begin() as connection:
        attempts.begin_run(connection, submission_id, "id-1:a", describe(NODE))
    consumer = PromptConsumer.__new__(PromptConsumer)  # not connected
    consumer.pool = None
    active_requests.add(request)
    try:
        consumer.cancel_active_requests()
    finally:
        active_requests.discard(request)
    with databases.engine("ingest").begin() as connection:
        assert attempts.begin_run(connection, submission_id, "id-1:a", "other").earlier is None
