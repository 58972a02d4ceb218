"""Tests of background lookups in the front end, with their records in a real Redis."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from kombu.exceptions import OperationalError

from api.http.errors import InvalidUUIDError, ServiceUnavailableError
from api.lookups import background
from api.lookups.background import BackgroundLookups
from api.lookups.reply_plan import PlannedItem, ReplyPlan
from cli.stack.servers.ports import free_port
from pipeline.messages import BackgroundLookup, Lookup
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import RedisSettings, Settings
from tasks import queues
from tasks.redis_state import background_records
from tests.support.processes.scratch_redis import NUMBER, scratch_redis
from tests.support.processes.servers import PASSWORD
from tests.support.processes.workers import write_config

LOOKUP = BackgroundLookup([Lookup(request=0, track_gid="x")], "m2", batch=False, application_id=7)
PLAN = ReplyPlan([PlannedItem(None, None)], batch=False)
FOUND = {"results": [{"id": "1", "score": 1.0}]}


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with scratch_redis(settings) as client:
        yield client


@pytest.fixture
def published() -> dict[str, BackgroundLookup]:
    return {}


@pytest.fixture
def lookups(client: redis.Redis, published: dict[str, BackgroundLookup]) -> BackgroundLookups:
    return BackgroundLookups(client, published.__setitem__)


def test_a_lookup_is_published_and_pending(lookups, published, client) -> None:
    task_id = lookups.start(LOOKUP, PLAN)
    assert published == {task_id: LOOKUP}
    record = lookups.find(task_id)
    assert set(record) == {"state", "created"}
    assert record["state"] == "pending"
    assert 0 < client.ttl(background_records.key_of(task_id)) <= background_records.KEPT


def test_its_record_exists_before_it_is_published(client) -> None:
    states = []
    lookups = BackgroundLookups(client, lambda task_id, _: states.append(lookups.find(task_id)))
    lookups.start(LOOKUP, PLAN)
    assert [each["state"] for each in states] == ["pending"]


def test_its_states_and_its_result(lookups, client) -> None:
    task_id = lookups.start(LOOKUP, PLAN)
    background_records.begin(client, task_id)
    running = lookups.find(task_id)
    assert (running["state"], set(running)) == ("running", {"state", "created", "started"})
    background_records.finish(client, task_id, [FOUND], {})
    finished = lookups.find(task_id)
    assert (finished["state"], finished["result"]) == ("finished", FOUND)
    assert finished["created"] <= finished["started"] <= finished["finished"]


def test_a_failed_lookup_has_a_reason(lookups, client) -> None:
    task_id = lookups.start(LOOKUP, PLAN)
    background_records.fail(client, task_id, "internal error")
    record = lookups.find(task_id)
    assert (record["state"], record["reason"]) == ("failed", "internal error")
    assert "result" not in record


def test_a_lookup_without_a_valid_item_fails_with_the_reason(lookups, client) -> None:
    plan = ReplyPlan(
        [PlannedItem(1, None), PlannedItem(2, InvalidUUIDError("trackid.2"))], batch=True
    )
    task_id = lookups.start(LOOKUP, plan)
    background_records.finish(client, task_id, [{"error": "too short"}], {})
    record = lookups.find(task_id)
    assert record["state"] == "failed"
    assert record["reason"].startswith('parameter "trackid.2" is not a valid UUID')


def test_an_unknown_task_is_none(lookups) -> None:
    assert lookups.find("nothing") is None


def test_lookups_beyond_the_limit_are_refused(lookups, published, client) -> None:
    client.lpush(queues.BACKGROUND, *range(background.MAX_WAITING))
    with pytest.raises(ServiceUnavailableError):
        lookups.start(LOOKUP, PLAN)
    assert not published
    assert client.keys() == [queues.BACKGROUND.encode()]
    client.lpop(queues.BACKGROUND)
    assert lookups.find(lookups.start(LOOKUP, PLAN))["state"] == "pending"


def test_a_lookup_that_cannot_be_published_leaves_no_record(client) -> None:
    def refuse(task_id: str, _: BackgroundLookup) -> None:
        assert background_records.find(client, task_id)
        raise OperationalError("the broker is unreachable")

    with pytest.raises(ServiceUnavailableError):
        BackgroundLookups(client, refuse).start(LOOKUP, PLAN)
    assert client.keys() == []


PUBLISH = """
import sys
from api.lookups.background import BackgroundLookups
from api.http.errors import ServiceUnavailableError
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import RedisSettings
from tasks import dispatch
from tests.integration.api.test_background_lookups import PLAN, LOOKUP
client = connect(RedisSettings.model_validate_json(sys.argv[1]))
try:
    BackgroundLookups(client, dispatch.send_background).start(LOOKUP, PLAN)
except ServiceUnavailableError:
    print("refused")
"""


def test_without_a_broker_it_is_refused_and_leaves_no_record(
    settings: Settings, client: redis.Redis, tmp_path: Path
) -> None:
    unreachable = settings.redis.model_copy(update={"port": free_port()})
    config = write_config(
        settings.model_copy(update={"redis": unreachable}), tmp_path / "acoustid.conf"
    )
    records = {
        "host": settings.redis.host,
        "port": settings.redis.port,
        "password": PASSWORD,
        "db": NUMBER,
    }
    done = subprocess.run(
        [sys.executable, "-c", PUBLISH, json.dumps(records)],
        env={**os.environ, "ACOUSTID_CONFIG": str(config)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "refused"
    assert client.keys() == []


def test_without_redis_no_lookup_is_published(published) -> None:
    unreachable = connect(RedisSettings(host="127.0.0.1", port=free_port()))
    with unreachable, pytest.raises(ServiceUnavailableError):
        BackgroundLookups(unreachable, published.__setitem__).start(LOOKUP, PLAN)
    assert not published
