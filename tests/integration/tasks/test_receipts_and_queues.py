"""Overdue submissions wait while the index is not usable."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.catalog.ingest.tables import submission
from pipeline.lookups.condition import Condition
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.runtime.statsd_metrics import connect_metrics
from pipeline.settings.sections import Settings
from tasks.periodic.receipts_and_queues import sweep
from tasks.redis_state import heartbeats
from tasks.redis_state.heartbeats import WorkerReport
from tasks.worker_resources import WorkerResources
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint
from tests.support.processes.heartbeats import forget


@pytest.mark.parametrize("condition", [Condition.MISSING, Condition.UNREACHABLE])
def test_no_attempt_is_counted_while_the_index_is_unusable(
    databases: Databases, settings: Settings, condition: Condition
) -> None:
    importer = Importer(databases, Path("unused"))
    _, ids = importer.receive([importer.receipt(fingerprint(1))])
    columns = sa.select(submission.c.state, submission.c.attempts)
    with databases.engine("ingest").begin() as connection:
        connection.execute(sa.update(submission).values(retry_at=sa.func.now(), attempts=12))
    with connect(settings.redis) as redis:
        for node in heartbeats.alive(redis):
            forget(redis, node)
        metrics = connect_metrics(settings.statsd)
        resources = WorkerResources(settings, databases, redis, metrics)
        heartbeats.store(redis, WorkerReport("submission@here", ("submission",), condition))
        sweep(resources)
        with databases.engine("ingest").connect() as connection:
            assert connection.execute(columns).all() == [("pending", 12)]
        heartbeats.store(redis, WorkerReport("submission@here", ("submission",), Condition.OK))
        sweep(resources)
        forget(redis, "submission@here")
    assert [each.state for each in importer.statuses(ids)] == ["failed"]
