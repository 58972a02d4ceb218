"""With fused stages a lookup is one message, without four; the answer is the same."""

import time
from pathlib import Path

import pytest

from bench.batches import watched_batches
from pipeline.fingerprint.codec import compress
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.runtime.settings import Settings
from pipeline.stages.messages import Lookup, LookupBatch
from tasks import replies
from tests.asking import ask
from tests.importing import Importer
from tests.synthetic import fingerprint
from tests.workers import (
    eventually,
    point_celery_at,
    running_worker,
    task_counts,
    worker_roles,
    write_config,
)

STAGES = ("lookup.validate", "lookup.dedupe", "lookup.score", "lookup.describe")


@pytest.mark.parametrize(("fused", "tasks"), [("true", STAGES[:1]), ("false", STAGES)])
def test_fused_or_not_a_lookup_has_the_same_answer(
    settings: Settings, databases: Databases, tmp_path: Path, fused: str, tasks: tuple[str, ...]
) -> None:
    importer = Importer(databases, settings.fingerprint_index.path)
    [status] = importer.run(importer.receipt(fingerprint(1)))
    config = write_config(settings, tmp_path / "acoustid.conf")
    point_celery_at(config, settings)
    [role] = [role for role in worker_roles() if role.name.startswith("worker-lookup")]
    environ = {"ACOUSTID_CELERY_FUSE_LOOKUP_STAGES": fused}
    key = replies.reply_key()
    lookup = Lookup(request=0, duration=200, fingerprint=compress(fingerprint(1)))
    with (
        watched_batches(settings) as batches,
        running_worker(role, config, tmp_path / "log", settings, environ),
    ):
        batch = LookupBatch("b", key, time.time() + 30, [""], [lookup])
        reply = ask(connect(settings.redis, blocking=True), batch)
        assert eventually(batches.read) == [1]
        [counts] = task_counts(1)
    assert reply.answers == [{"results": [{"id": str(status.track_gid), "score": 1.0}]}]
    assert counts == dict.fromkeys(tasks, 1)
