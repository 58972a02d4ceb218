"""A backlog of submissions drains in its order, and each submission is sent once."""

import time
from pathlib import Path

import sqlalchemy as sa

from pipeline.catalog.ingest import leases
from pipeline.catalog.ingest.state_counts import count_by_state
from pipeline.catalog.ingest.tables import submission
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tasks.periodic.receipts_and_queues import sweep_receipts
from tasks.redis_state import import_backlog
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint
from tests.support.polling import eventually
from tests.support.processes.workers import (
    point_celery_at,
    running_worker,
    worker_roles,
    write_config,
)

BACKLOG = import_backlog.MAX_WAITING * import_backlog.MAX_BATCH + 300  # more than the queue holds


def test_a_backlog_drains_in_its_order(
    settings: Settings, databases: Databases, tmp_path: Path
) -> None:
    importer = Importer(databases, settings.fingerprint_index.path)
    importer.receive(
        [importer.receipt(fingerprint(seed % 50), 100 + seed) for seed in range(BACKLOG)]
    )
    with databases.engine("ingest").begin() as connection:
        leases.end_all(connection)
    config = write_config(settings, tmp_path / "acoustid.conf")
    point_celery_at(config, settings)
    [submissions] = (role for role in worker_roles() if role.node == "submission")
    [index] = (role for role in worker_roles() if role.node == "index")
    with (
        running_worker(index, config, tmp_path / "index.log", settings),
        running_worker(submissions, config, tmp_path / "log", settings),
    ):
        eventually(lambda: _is_begun(databases))
        eventually(lambda: _states(databases) == {"imported": BACKLOG}, seconds=120)
    ended = (
        sa.select(submission.c.id)
        .where(submission.c.attempts == 1)  # others were given back, and ended later
        .order_by(submission.c.handled_at, submission.c.id)
    )
    with databases.engine("ingest").connect() as connection:
        attempts = set(connection.execute(sa.select(submission.c.attempts)).scalars())
        order = list(connection.execute(ended).scalars())
    # Each is claimed once. It is 0 if a second delivery of the message has given it back.
    assert max(attempts) == 1
    assert order == sorted(order)


def _is_begun(databases: Databases) -> bool:
    """Return whether some submissions are imported; send those that wait, in place of beat.

    A sweep sends nothing while the worker's last heartbeat refuses the index.
    """
    sweep_receipts.apply_async(ignore_result=True)
    time.sleep(0.5)
    return "imported" in _states(databases)


def _states(databases: Databases) -> dict[str, int]:
    with databases.engine("ingest").connect() as connection:
        return count_by_state(connection)
