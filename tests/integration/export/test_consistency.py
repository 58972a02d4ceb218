"""The files of a run agree while submissions arrive, and whatever kills the run."""

import os
import random
import signal
from datetime import datetime
from itertools import count
from pathlib import Path

from pipeline.catalog.exported_days import add_row_to_day
from pipeline.catalog.fingerprint import tables as t
from pipeline.export import folder
from pipeline.export.run import export
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from pipeline.storage import files
from tests.integration.export.conftest import LINKS, OLD_DAY, grow_old
from tests.support.catalogue.exports import (
    Silent,
    contents,
    manifest_of,
    names,
    rows_of,
    run_export,
)
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint

RUNS = 5
TABLES = (t.track, t.fingerprint, t.meta, t.track_mbid, t.track_meta)


def test_the_files_agree_while_submissions_arrive(
    importer: Importer, databases: Databases, out: Path
) -> None:
    """Each row that a row refers to is there, and all counts are of one moment."""
    seeds = count(2)

    class Importing(Silent):
        """Imports a new recording and confirms the first one after each file."""

        def advance(self, name: str, rows: int) -> None:
            super().advance(name, rows)
            meta = {"track": f"Title {next(seeds)}"}
            importer.run(
                importer.receipt(fingerprint(next(seeds)), meta=meta),
                importer.receipt(fingerprint(1)),
            )

    before = {table.name: [row.id for row in importer.rows(table)] for table in TABLES}
    progress = Importing()
    export(databases, out, progress)
    assert progress.written > 1
    found = {name: [row["id"] for row in rows_of(out, name)] for name in before}
    assert found == before
    assert [row["id"] for row in rows_of(out, "track_fingerprint")] == before["fingerprint"]
    assert {row["submission_count"] for row in rows_of(out, "track_mbid")} == {1}
    assert len(importer.rows(t.track)) > len(before["track"])


def kill_at(settings: Settings, out: Path, step: int) -> bool:
    """Run an export in a process that is killed at one of its calls to the file system.

    Returns:
        Whether it was killed; False if it has ended before.
    """
    child = os.fork()
    if child == 0:
        try:
            folder._SAVE_INTERVAL = 0.0
            left = count(step, -1)

            def stepping(name: str) -> None:
                real = getattr(files, name)

                def call(*arguments: object) -> object:
                    if next(left) == 0:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return real(*arguments)

                setattr(files, name, call)

            for name in ("lock", "sync", "replace", "remove", "sync_directory"):
                stepping(name)
            run_export(Databases(settings), out, is_private=True)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def import_into_old_day(databases: Databases) -> None:
    """Move all rows to a day that is over, as an import of data files adds rows."""
    grow_old(databases)
    time = datetime.fromisoformat(f"{OLD_DAY} 12:00+00")
    with databases.engine("fingerprint").begin() as connection:
        for table in (*TABLES, *LINKS):
            add_row_to_day(connection, table, time)


def test_a_killed_export_goes_on(
    importer: Importer, databases: Databases, settings: Settings, out: Path, tmp_path: Path
) -> None:
    """Killed at random moments, while the catalogue changes, the result is that of one run."""
    rng = random.Random(25)
    grow_old(databases)
    kills = 0
    for number in range(RUNS):
        importer.run(importer.receipt(fingerprint(10 + number)))
        if number % 4 == 0:
            import_into_old_day(databases)
        databases.dispose()
        kills += kill_at(settings, out, rng.randrange(120))
        if (out / "manifest.json").exists():
            manifest = manifest_of(out)
            assert manifest.is_complete <= (sorted(manifest.files) == names(out))
    assert kills > RUNS / 2
    run_export(databases, out, is_private=True)
    run_export(databases, tmp_path / "whole", is_private=True)
    assert contents(out) == contents(tmp_path / "whole")
    assert manifest_of(out).is_complete
    for name, entry in manifest_of(tmp_path / "whole").files.items():
        found = manifest_of(out).files[name]
        assert (found.sha256, found.size, found.rows) == (entry.sha256, entry.size, entry.rows)
    left = [path.name for path in out.rglob("*") if path.is_file()]
    assert len(left) == len(names(out)) + 2  # the manifest and the lock
