"""Background lookups on a real worker: answered, stored, counted once."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis

from api.http.parameters import Parameters
from api.lookups.background import BackgroundLookups
from api.lookups.reply_plan import ReplyPlan
from api.lookups.request import parse_lookup
from pipeline.fingerprint.codec import compress, encode, pack_text
from pipeline.messages import BackgroundLookup, Lookup
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks import dispatch, queues
from tasks.lookups import background_lookup
from tasks.redis_state import background_records
from tests.support.catalogue.imports import MBID, Importer
from tests.support.catalogue.synthetic import fingerprint
from tests.support.polling import eventually
from tests.support.processes.workers import (
    point_celery_at,
    running_worker,
    task_counts,
    worker_roles,
    write_config,
)

APPLICATION = 7
TEXT = encode(fingerprint(1))
CUT = pack_text(compress(fingerprint(1))[:50])


@dataclass
class Stack:
    """A worker, the background lookups of a front end, and one imported recording."""

    lookups: BackgroundLookups
    redis: redis.Redis
    track: str

    def start(self, **form: Any) -> str:
        request = parse_lookup(Parameters((name, str(value)) for name, value in form.items()))
        question = BackgroundLookup(request.to_look_up(), request.meta, request.batch, APPLICATION)
        return self.lookups.start(question, ReplyPlan.of(request))

    def ended(self, task_id: str) -> dict[str, Any]:
        """Wait for the end of a lookup; return its record."""

        def ask() -> dict[str, Any] | None:
            record = self.lookups.find(task_id)
            assert record is not None
            return record if "finished" in record else None

        record = eventually(ask)
        assert record is not None
        return record

    def result(self, **form: Any) -> Any:
        return self.ended(self.start(**form))["result"]

    def counted(self) -> dict[str, int]:
        """Return the hits and misses of the application, summed over all hours."""
        found: dict[str, int] = {}
        for field, count in self.redis.hgetall("lookups").items():
            _, _, application, kind = field.decode().split(":")
            assert int(application) == APPLICATION
            found[kind] = found.get(kind, 0) + int(count)
        return found


@pytest.fixture
def stack(settings: Settings, databases: Databases, tmp_path: Path) -> Iterator[Stack]:
    importer = Importer(databases, settings.fingerprint_index.path)
    [status] = importer.run(importer.receipt(fingerprint(1)))
    config = write_config(settings, tmp_path / "acoustid.conf")
    point_celery_at(config, settings)
    client = connect(settings.redis)
    client.delete("lookups", queues.BACKGROUND)
    lookups = BackgroundLookups(client, dispatch.send_background)
    [role] = [role for role in worker_roles() if role.name.startswith("worker-lookup")]
    with running_worker(role, config, tmp_path / "log", settings):
        yield Stack(lookups, client, str(status.track_gid))
    client.delete("lookups")


def test_answers_are_stored_and_counted(stack: Stack) -> None:
    found = {"id": stack.track, "score": 1.0}
    with_mbid = {**found, "recordings": [{"id": str(MBID)}]}
    one = {"fingerprint": TEXT, "duration": 200}
    assert stack.result(**one) == {"results": [found]}
    assert stack.result(**one, meta="recordingids") == {"results": [with_mbid]}
    assert stack.result(trackid=stack.track) == {"results": [found]}
    assert stack.result(trackid=uuid4()) == {"results": []}
    assert stack.counted() == {"hit": 3, "miss": 1}
    batch = {"fingerprint.0": TEXT, "duration.0": 200, "trackid.1": uuid4()}
    cut = {"fingerprint.2": CUT, "duration.2": 200}
    result = stack.result(batch=1, **batch, **cut, **{"trackid.3": "x"})
    assert result["fingerprints"] == [
        {"index": 0, "results": [found]},
        {"index": 1, "results": []},
    ]
    skipped = [(each["index"], each["error"]["code"]) for each in result["skipped"]]
    assert skipped == [("2", 3), ("3", 7)]
    assert stack.counted() == {"hit": 4, "miss": 2}
    [counts] = task_counts(1)
    assert counts == {"lookup.background": 5}  # as Flower counts them


def test_without_batch_the_first_valid_item_is_answered(stack: Stack) -> None:
    cut = {"fingerprint.0": CUT, "duration.0": 200}
    valid = {"fingerprint.1": TEXT, "duration.1": 200}
    result = stack.result(**cut, **valid, **{"trackid.2": uuid4()})
    assert result == {"results": [{"id": stack.track, "score": 1.0}]}
    assert stack.counted() == {"hit": 1}


def test_a_request_without_a_valid_lookup_fails_and_is_not_counted(stack: Stack) -> None:
    record = stack.ended(stack.start(fingerprint=CUT, duration=200))
    assert record["state"] == "failed"
    assert record["reason"].startswith('invalid fingerprint: parameter "fingerprint": it is ')
    assert stack.counted() == {}


def test_a_lookup_that_is_delivered_twice_is_counted_once(stack: Stack) -> None:
    task_id = str(uuid4())
    lookups = [Lookup(request=0, track_gid=stack.track)]
    question = BackgroundLookup(lookups, "", batch=False, application_id=APPLICATION)
    background_records.create(stack.redis, task_id, "{}")
    for _ in range(3):
        dispatch.send_background(task_id, question)
    eventually(lambda: task_counts(1)[0].get("lookup.background") == 3)
    assert stack.counted() == {"hit": 1}


def test_an_unexpected_error_sets_the_state_failed(stack: Stack) -> None:
    task_id = str(uuid4())
    background_records.create(stack.redis, task_id, "{}")
    background_lookup.look_up.apply_async(({"lookups": "none"},), task_id=task_id)
    record = eventually(lambda: _failed(stack, task_id))
    assert record["reason"] == "internal error"


def _failed(stack: Stack, task_id: str) -> dict[str, str] | None:
    record = background_records.find(stack.redis, task_id)
    assert record is not None
    return record if record["state"] == "failed" else None
