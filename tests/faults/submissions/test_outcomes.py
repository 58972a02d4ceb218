"""Imports that fail because of the infrastructure wait, and a faulty submission fails alone.

`tests.system.test_import_crashes` has submissions that kill their worker.
"""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from pipeline.catalog.advisory_locks import lock_catalogue
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks.application import app
from tasks.task_names import REQUEUE_SUBMISSIONS
from tests.support.catalogue.faulty_imports import Imports, import_worker
from tests.support.catalogue.import_faults import Fault
from tests.support.catalogue.imports import Importer
from tests.support.polling import eventually
from tests.support.processes.workers import point_celery_at, write_config


@pytest.fixture(scope="module")
def worker(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("worker")
    config = write_config(settings, folder / "acoustid.conf")
    point_celery_at(config, settings)
    with import_worker(config, folder, settings) as process:
        yield
        process.kill()  # a warm shutdown would take seconds


@pytest.fixture
def imports(worker: None, settings: Settings, databases: Databases) -> Iterator[Imports]:  # noqa: ARG001
    with connect(settings.redis) as client:
        yield Imports(Importer(databases, settings.fingerprint_index.path), client)


def test_a_fault_of_a_submission_fails_it_alone(imports: Imports) -> None:
    good, bad = imports.final(imports.send("", Fault.ERROR))
    assert good.state == "imported"
    assert bad.state == "failed"
    assert bad.reason.startswith("internal error in submission.score (trace ")
    assert bad.crashes == 0
    # The result would be that of the backend that an earlier test has used.
    app.send_task(
        REQUEUE_SUBMISSIONS, kwargs={"submission_ids": [good.id, bad.id]}, ignore_result=True
    )
    eventually(lambda: imports.rows([bad.id])[0].state == "pending")
    assert imports.rows([good.id])[0].state == "imported"


def test_a_batch_that_needs_too_much_memory_is_divided(imports: Imports) -> None:
    rows = imports.final(imports.send(Fault.MEMORY, "", ""))
    assert [(row.state, row.crashes, row.attempts) for row in rows] == [("imported", 0, 0)] * 3


def test_a_blocked_import_and_a_full_disk_only_delay_it(
    imports: Imports, databases: Databases
) -> None:
    with databases.engine("fingerprint").begin() as connection:
        lock_catalogue(connection)
        ids = imports.send("", Fault.DISK)
        eventually(lambda: imports.transient_failures().get("database"))
        assert [row.state for row in imports.rows(ids)] == ["pending"] * 2
    rows = imports.final(ids)
    assert [(row.state, row.crashes, row.attempts) for row in rows] == [("imported", 0, 0)] * 2
    assert imports.transient_failures()["system"] == 1
    with databases.engine("fingerprint").connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM fingerprint")) == len(ids)
