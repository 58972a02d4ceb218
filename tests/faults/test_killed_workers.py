"""Workers are killed during imports: no submission is lost or counted twice."""

import random
import time
from pathlib import Path

import sqlalchemy as sa

from pipeline.catalog.fingerprint import tables as fingerprint_tables
from pipeline.catalog.ingest import tables as ingest_tables
from pipeline.catalog.ingest.state_counts import count_by_state
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tasks import dispatch
from tasks.periodic.receipts_and_queues import sweep_receipts
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint, near_copy
from tests.support.polling import eventually
from tests.support.processes.workers import (
    point_celery_at,
    running_worker,
    worker_roles,
    write_config,
)

RECORDINGS = 15
COPIES = 6
TOGETHER = 2  # requests in a chain
KILLS = 4


def test_killed_workers_lose_no_submission(
    settings: Settings, databases: Databases, tmp_path: Path
) -> None:
    importer = Importer(databases, settings.fingerprint_index.path)
    config = write_config(settings, tmp_path / "acoustid.conf")
    point_celery_at(config, settings)
    chosen = random.Random(7)
    for copy in range(COPIES):
        receipts = [
            importer.receipt(near_copy(fingerprint(seed), copy, 0.03), 200 + seed)
            for seed in range(RECORDINGS)
        ]
        ids = [submission_id for each in receipts for submission_id in importer.receive([each])[1]]
        for start in range(0, RECORDINGS, TOGETHER):
            dispatch.send_submissions(ids[start : start + TOGETHER])

    submission, index = (role for role in worker_roles() if role.node in {"submission", "index"})
    with running_worker(index, config, tmp_path / "index.log", settings):
        for _ in range(KILLS):
            with running_worker(submission, config, tmp_path / "log", settings) as process:
                time.sleep(chosen.uniform(0.0, 0.4))
                process.kill()
        with running_worker(submission, config, tmp_path / "log", settings):
            _end_leases(databases)
            eventually(lambda: _is_imported(databases))

    assert importer.tracks() == RECORDINGS
    stored = importer.rows(fingerprint_tables.fingerprint)
    links = importer.rows(fingerprint_tables.track_mbid)
    assert sum(row.submission_count for row in stored) == RECORDINGS * COPIES
    assert sum(row.submission_count for row in links) == RECORDINGS * COPIES


def _is_imported(databases: Databases) -> bool:
    """Return whether all submissions are imported; send those that wait, in place of beat."""
    sweep_receipts.delay()
    return _states(databases) == {"imported": RECORDINGS * COPIES}


def _end_leases(databases: Databases) -> None:
    """Let all submissions be sent again, although some are still in the queue."""
    with databases.engine("ingest").begin() as connection:
        connection.execute(sa.update(ingest_tables.submission).values(retry_at=sa.func.now()))


def _states(databases: Databases) -> dict[str, int]:
    with databases.engine("ingest").connect() as connection:
        return count_by_state(connection)
