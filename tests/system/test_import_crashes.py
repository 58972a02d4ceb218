"""Submissions that kill their worker or exceed the time limit, and a worker without its index.

Celery needs up to 5 s to start a new process, so these tests are slow.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.catalog.ingest.tables import submission
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from pipeline.storage.format import LOCK_NAME
from tasks.outcomes.submission_task import CRASHED
from tests.support.catalogue.faulty_imports import Imports, import_worker
from tests.support.catalogue.import_faults import Fault
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.index_conditions import old_catalogue
from tests.support.polling import eventually
from tests.support.processes.workers import point_celery_at, write_config


@pytest.fixture
def config(settings: Settings, tmp_path: Path) -> Path:
    config = write_config(settings, tmp_path / "acoustid.conf")
    point_celery_at(config, settings)
    return config


@pytest.fixture
def imports(settings: Settings, databases: Databases) -> Iterator[Imports]:
    with connect(settings.redis) as client:
        yield Imports(Importer(databases, settings.fingerprint_index.path), client)


def test_a_submission_that_kills_its_worker_fails_without_its_batch(
    imports: Imports, config: Path, settings: Settings, tmp_path: Path
) -> None:
    ids = imports.send("", "", Fault.KILL, "", "")
    with import_worker(config, tmp_path, settings):
        rows = imports.final(ids)
        slow = imports.send(Fault.SLOW)
        assert [(row.state, row.reason) for row in imports.final(slow)] == [("failed", CRASHED)]
    assert [row.state for row in rows] == ["imported"] * 2 + ["failed"] + ["imported"] * 2
    assert (rows[2].reason, rows[2].crashes) == (CRASHED, 3)
    assert {row.crashes for row in rows if row.state == "imported"} == {0}


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.KILL_ALL])
def test_a_killed_task_is_delivered_again_and_counted_once(
    imports: Imports,
    config: Path,
    settings: Settings,
    tmp_path: Path,
    databases: Databases,
    fault: Fault,
) -> None:
    ids = imports.send(fault)
    with import_worker(config, tmp_path, settings) as process:
        if fault is Fault.KILL_ALL:  # the message is delivered to another worker
            process.wait(30)
            with import_worker(config, tmp_path, settings):
                _await_crash(imports, ids, databases)
        else:
            _await_crash(imports, ids, databases)


def _await_crash(imports: Imports, ids: list[int], databases: Databases) -> None:
    [row] = eventually(lambda: [row for row in imports.rows(ids) if row.crashes])
    assert (row.state, row.crashes) == ("pending", 1)
    with databases.engine("ingest").begin() as connection:
        connection.execute(sa.delete(submission))  # the next attempt does nothing


def test_a_restarted_worker_with_a_cut_index_fails_no_submission(
    config: Path, settings: Settings, tmp_path: Path, databases: Databases
) -> None:
    path = settings.fingerprint_index.path
    importer = old_catalogue(databases, path)
    importer.update_index()
    contents = {file: file.read_bytes() for file in path.iterdir() if file.name != LOCK_NAME}
    for file, content in contents.items():
        file.write_bytes(content[: len(content) // 2])
    with connect(settings.redis) as client:
        imports = Imports(importer, client)
        ids = imports.send("", "")
        with import_worker(config, tmp_path, settings):
            eventually(lambda: imports.transient_failures().get("index", 0) > 1)
            assert [row.state for row in imports.rows(ids)] == ["pending"] * 2
            for file, content in contents.items():
                file.write_bytes(content)
            rows = imports.final(ids)
    assert [(row.state, row.crashes, row.attempts) for row in rows] == [("imported", 0, 0)] * 2
