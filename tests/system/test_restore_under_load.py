"""Backups that are taken while submissions arrive and are imported."""

import threading
from itertools import count
from pathlib import Path

import sqlalchemy as sa
from click.testing import CliRunner

from cli.commands.data.restore import restore
from pipeline.catalog.fingerprint.tables import fingerprint, submission_import
from pipeline.catalog.ingest.tables import fingerprint_source, submission
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint as random_walk
from tests.support.clients.admin_commands import Run
from tests.support.polling import eventually


class Load:
    """Submissions that arrive until the block ends; every third one waits for its import."""

    def __init__(self, importer: Importer) -> None:
        self.accepted: list[int] = []
        self._importer = importer
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _send(self) -> None:
        for seed in count(1):
            if self._ends.is_set():
                return
            _, ids = self._importer.receive([self._importer.receipt(random_walk(seed))])
            self.accepted += ids
            if seed % 3:
                self._importer.persist(self._importer.match(ids))


def test_each_accepted_submission_is_restored_and_imported_once(
    databases: Databases,
    index_path: Path,
    run_backup: Run,
    restore_config: Path,
    restore_target: Settings,
    tmp_path: Path,
) -> None:
    importer = Importer(databases, index_path)
    importer.update_index()
    with Load(importer) as load:
        eventually(lambda: len(load.accepted) > 20)
        before = set(load.accepted)
        made = run_backup(tmp_path / "backups")
    assert made.exit_code == 0, made.stderr
    options = ["--data-dir", str(tmp_path / "new"), "--config", str(restore_config)]
    result = CliRunner().invoke(restore, [made.stdout.strip(), *options])
    assert result.exit_code == 0, result.output
    restored = Databases(restore_target, component="tests")
    try:
        _import_pending(restored, restore_target)
        with restored.engine("ingest").connect() as connection:
            states = dict(connection.execute(sa.select(submission.c.id, submission.c.state)).all())
            sources = connection.scalars(sa.select(fingerprint_source.c.submission_id)).all()
        with restored.engine("fingerprint").connect() as connection:
            imported = connection.scalars(sa.select(submission_import.c.submission_id)).all()
            counted = connection.scalar(sa.select(sa.func.sum(fingerprint.c.submission_count)))
    finally:
        restored.dispose()
    assert before <= states.keys()
    assert set(states.values()) == {"imported"}
    assert sorted(imported) == sorted(sources) == sorted(states)
    assert counted == len(states)


def _import_pending(databases: Databases, settings: Settings) -> None:
    """Import the pending submissions, as the workers do after the start."""
    importer = Importer(databases, settings.fingerprint_index.path)
    with databases.engine("ingest").connect() as connection:
        pending = sa.select(submission.c.id).where(submission.c.state == "pending")
        ids = connection.scalars(pending.order_by(submission.c.id)).all()
    assert ids
    importer.persist(importer.match(ids))
