"""A lookup worker is killed while it has a batch; another worker answers the batch."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from api.lookups.batch_policy import BatchPolicy
from pipeline.fingerprint.codec import compress
from pipeline.messages import Lookup, LookupBatch
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks.fast_path.lookup_sender import LookupSender
from tasks.fast_path.switches import FastPath
from tests.support.catalogue.synthetic import fingerprint
from tests.support.clients.batchers import make_batcher
from tests.support.metrics import Counted
from tests.support.polling import eventually
from tests.support.processes.workers import (
    point_celery_at,
    running_worker,
    worker_roles,
    write_config,
)

TIMEOUT = 60.0  # seconds, for the start of a worker


@pytest.mark.parametrize("fast_path", [True, False])
def test_a_killed_workers_batch_is_answered_by_another(
    settings: Settings, databases: Databases, tmp_path: Path, fast_path: bool
) -> None:
    del databases
    celery = settings.celery.model_copy(update={"fast_path": fast_path})
    here = settings.model_copy(update={"celery": celery})
    config = write_config(here, tmp_path / "acoustid.conf")
    point_celery_at(config, here)
    [role] = [role for role in worker_roles() if role.name.startswith("worker-lookup")]
    sender, sent = LookupSender(FastPath.of(here)), []

    def send(batch: LookupBatch) -> None:
        sender.send(batch)
        sent.append(batch.id)

    client = connect(here.redis)
    policy = BatchPolicy(size=100, in_flight=2, hold_back=0.025, stalled_after=60)
    batcher = make_batcher(here.redis, policy, send, Counted(), lost_after=1.0)
    question = Lookup(request=0, duration=200, fingerprint=compress(fingerprint(1)))
    with ThreadPoolExecutor(1) as threads:
        with running_worker(role, config, tmp_path / "log", here) as process:
            assert batcher.look_up([question], "", soon()) == [{"results": []}]
            eventually(lambda: waits_for_messages(client))
            process.send_signal(signal.SIGSTOP)
            asked = threads.submit(batcher.look_up, [question], "", soon())
            # Redis sends the message to the stopped worker, which never reads it.
            eventually(lambda: len(sent) > 1 and not waits_for_messages(client))
            process.kill()
        with running_worker(role, config, tmp_path / "log", here):
            assert asked.result(TIMEOUT) == [{"results": []}]
    batcher.close()
    assert sent[1] == sent[2] != sent[0]


def soon() -> float:
    """Return a deadline on the monotonic clock."""
    return time.monotonic() + TIMEOUT


def waits_for_messages(client: redis.Redis) -> bool:
    """Return whether a worker waits for a message from Redis."""
    return any(each["cmd"] == "brpop" and "b" in each["flags"] for each in client.client_list())
