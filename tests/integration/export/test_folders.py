"""An export writes into its own folders only."""

import errno
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.data_files.manifest import ManifestError
from pipeline.export.errors import ExportRefusedError
from pipeline.export.folder import open_folder
from pipeline.export.run import export
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from pipeline.storage import files
from tests.integration.export.conftest import OLD_DAY, grow_old
from tests.support.catalogue.exports import Silent, contents, manifest_of, names, run_export
from tests.support.catalogue.imports import Importer

OLD = f"2024/2024-02/{OLD_DAY}-track-update.jsonl.gz"


@pytest.fixture
def exported(importer: Importer, databases: Databases, out: Path) -> Iterator[Path]:
    """A folder with an export of a day that is over; after the test it has the same files."""
    assert importer
    grow_old(databases)
    run_export(databases, out)
    before = contents(out)
    yield out
    assert {name: rows for name, rows in contents(out).items() if name in before} == before


class Failing:
    """Calls a function, and reports a full disk after some calls."""

    def __init__(self, function: Callable[..., object], after: int) -> None:
        self._function = function
        self._left = after

    def __call__(self, *arguments: object) -> object:
        self._left -= 1
        if self._left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._function(*arguments)


def test_other_files_are_refused_by_name(databases: Databases, tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"letter {number}.txt").touch()
    with pytest.raises(ExportRefusedError, match=r"letter 2.txt and 2 more\) and no manifest.json"):
        run_export(databases, tmp_path)
    assert len(list(tmp_path.iterdir())) == 5


def test_a_file_is_no_folder(databases: Databases, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExportRefusedError, match="is no folder"):
        run_export(databases, tmp_path / "file")


def test_the_export_of_another_database_is_refused(
    exported: Path, databases: Databases, settings: Settings
) -> None:
    """Also with all days: the files of the other one would be lost."""
    other = settings.model_copy(update={"database_fingerprint": settings.database})
    text = (exported / "manifest.json").read_text()
    manifest = json.loads(text)
    (exported / "manifest.json").write_text(json.dumps({**manifest, "database": "1:2"}))
    for writes_all in (False, True):
        with pytest.raises(ExportRefusedError, match="the export of another database"):
            run_export(databases, exported, writes_all=writes_all)
    (exported / "manifest.json").write_text(text)
    with pytest.raises(ExportRefusedError, match="the database fingerprint is not migrated"):
        run_export(Databases(other), exported)


def test_public_and_private_exports_have_different_folders(
    importer: Importer, databases: Databases, tmp_path: Path
) -> None:
    """A folder that may be published gets no private files."""
    assert importer
    for is_private, match in ((True, "give --private"), (False, "without private data")):
        out = tmp_path / str(is_private)
        run_export(databases, out, is_private=is_private)
        with pytest.raises(ExportRefusedError, match=match):
            run_export(databases, out, is_private=not is_private)
        run_export(databases, out, is_private=is_private)


def test_a_damaged_manifest_is_refused(exported: Path, databases: Databases) -> None:
    for text in ("", "[1]", '{"format": "acoustid-export", "version": 1}', "\xff"):
        (exported / "manifest.json").write_text(text, encoding="latin-1")
        with pytest.raises(ManifestError, match=r"manifest.json is damaged"):
            run_export(databases, exported)


def test_data_files_that_no_manifest_names_are_refused(
    exported: Path, databases: Databases
) -> None:
    """A reader without the manifest would import them too."""
    for name in (
        "2024/2024-02/2024-02-27-track-update.jsonl.gz",
        "2024-02-27-meta-update.jsonl.gz",
    ):
        (exported / name).write_bytes(b"")
        with pytest.raises(ExportRefusedError, match=name):
            run_export(databases, exported)
        (exported / name).unlink()
    (exported / "index.html").touch()
    (exported / "2024/2024-02/README.jsonl.gz").touch()
    run_export(databases, exported)
    assert (exported / "index.html").exists()
    (exported / "2024/2024-02/README.jsonl.gz").unlink()


def test_two_exports_at_once_are_refused(exported: Path, databases: Databases) -> None:
    with (
        open_folder(exported),
        pytest.raises(ExportRefusedError, match="another process exports into"),
    ):
        run_export(databases, exported)
    run_export(databases, exported)


def test_a_full_disk_leaves_no_half_file(
    importer: Importer, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is that of the system; the next run goes on."""
    assert importer
    grow_old(databases)
    for name in ("sync", "replace"):
        out = tmp_path / name
        monkeypatch.setattr(files, name, Failing(getattr(files, name), after=4))
        with pytest.raises(OSError, match="No space left"):
            run_export(databases, out)
        monkeypatch.undo()
        assert len([path for path in out.rglob("*") if path.is_file()]) == 5
        assert not list(out.rglob(".new-*"))
        assert not manifest_of(out).is_complete
        run_export(databases, out)
        assert len(names(out)) == 8
        assert manifest_of(out).is_complete


def test_finished_files_of_an_interrupted_run_stay(
    importer: Importer, databases: Databases, out: Path
) -> None:
    """If their days are final."""
    assert importer
    grow_old(databases)

    class Interrupting(Silent):
        def advance(self, name: str, rows: int) -> None:
            super().advance(name, rows)
            if self.written == 5:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(databases, out, Interrupting())
    assert len(manifest_of(out).files) == 4
    report = run_export(databases, out)
    assert (report.kept, report.files) == (4, 4)


def test_leftovers_of_a_killed_run_are_removed(exported: Path, databases: Databases) -> None:
    """A file that has its name, but is not in the manifest yet, and partly written ones."""
    text = (exported / "manifest.json").read_text()
    cut = replace(manifest_of(exported), is_complete=False)
    (exported / "manifest.json").write_text(cut.to_json())
    leftovers = [
        exported / "2024/2024-02/2024-02-27-track-update.jsonl.gz",
        exported / "2024/2024-02/.new-2024-02-26-track-update.jsonl.gz",
        exported / ".new-manifest.json",
    ]
    for path in leftovers:
        path.write_bytes(b"half")
    run_export(databases, exported)
    assert not [path for path in leftovers if path.exists()]
    assert manifest_of(exported).files.keys() == json.loads(text)["files"].keys()
