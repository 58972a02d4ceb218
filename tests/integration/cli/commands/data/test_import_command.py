"""`acoustid import`: what is wrong with a folder, and the status at the end."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from cli.stack.data_directory import CONFIG_VARIABLE
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.data_files import CREATED, gid, track_mbid, write_catalogue, write_rows
from tests.support.processes.workers import write_config

Run = Callable[..., Result]


@pytest.fixture
def run(settings: Settings, databases: Databases, tmp_path: Path) -> Run:
    del databases  # emptied
    config = write_config(settings, tmp_path / "acoustid.conf")

    def invoke(*arguments: str | Path) -> Result:
        command = ["import", *map(str, arguments)]
        return CliRunner().invoke(main, command, env={CONFIG_VARIABLE: str(config)})

    return invoke


def test_the_status_says_whether_lines_were_skipped(run: Run, tmp_path: Path) -> None:
    """Windows line ends and several gzip members are read; the last line may lack its end."""
    folder = tmp_path / "files"
    write_catalogue(folder, 2, count=100)
    rows = [json.dumps(track_mbid(1)), "{", json.dumps(track_mbid(2))]
    path = write_rows(folder, "track_mbid", [])
    path.write_bytes(gzip.compress(f"{rows[0]}\r\n".encode()) + gzip.compress(rows[1].encode()))
    with path.open("ab") as file:
        file.write(gzip.compress(f"\n{rows[2]}".encode()))
    stopped = run(folder)
    assert stopped.exit_code == 1
    assert f"{path}:2: is not JSON" in stopped.stderr
    skipped = run(folder, "--on-error", "skip", "--rejects", tmp_path / "rejects")
    assert skipped.exit_code == 4
    assert f"{path}:2: is not JSON" in skipped.stderr
    assert "imported 2 files, 3 lines, 3 rows added or changed; 4 files were imported before" in (
        skipped.output
    )
    again = run(folder)
    assert (again.exit_code, again.output) == (
        0,
        "imported 0 files, 0 lines, 0 rows added or changed; 6 files were imported before\n",
    )


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _link_to_nothing(path: Path) -> None:
    path.symlink_to(path.parent / "nothing")


def _damaged(path: Path) -> None:
    path.write_bytes(b"no gzip data, but a text")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_pipe, "is not a file"),
        (_link_to_nothing, "is not a file, or a link to none"),
        (Path.mkdir, "is not a file"),
        (_damaged, ":1: the gzip data are damaged"),
        (Path.touch, ":1: the gzip data end too early: the file is cut or empty"),
    ],
)
def test_what_cannot_be_read_is_named(
    run: Run, tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    path = folder / "2026-01-02-track-update.jsonl.gz"
    make(path)
    found = run(folder)
    assert found.exit_code == 1
    assert f"{path}" in found.stderr
    assert message in found.stderr


def test_links_to_files_are_read_and_links_to_folders_named(run: Run, tmp_path: Path) -> None:
    row = {"id": 1, "gid": gid(1), "created": CREATED}
    path = write_rows(tmp_path / "elsewhere", "track", [row])
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / path.name).symlink_to(path)
    (folder / "2026").symlink_to(tmp_path / "elsewhere/2026")
    found = run(folder)
    assert found.exit_code == 0
    assert f"{folder / '2026'} is not a data file, and is ignored" in found.stderr
    assert "imported 1 files, 1 lines, 1 rows added or changed" in found.stdout


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"highest_ids": {"track": "9"}}, "is damaged"),
        ({"highest_ids": {"track": 2**63}}, "is damaged"),
        ({"highest_ids": [1]}, "is damaged"),
        ({"files": {"../x-track-update.jsonl.gz": {}}}, "is damaged"),
        ({"is_complete": False}, "was not completed"),
        ({"is_complete": "yes"}, "is damaged"),
        ({"version": 2}, "use the version of acoustid that wrote it"),
        ({"format": "other"}, "is not the manifest of an export"),
        ({"snapshot": 5}, "is damaged"),
        ({"more": 1}, "is damaged"),
    ],
)
def test_a_wrong_manifest_is_refused(
    run: Run, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    manifest = {"format": "acoustid-export", "version": 1, "database": "d", "is_complete": True}
    manifest |= {"snapshot": CREATED, "files": {}, "highest_ids": {}}
    (tmp_path / "files").mkdir()
    (tmp_path / "files/manifest.json").write_text(json.dumps(manifest | changes))
    found = run(tmp_path / "files")
    assert found.exit_code == 1
    assert message in found.stderr
    assert "manifest.json" in found.stderr or "export" in found.stderr


def test_the_sample_catalogue_is_in_the_way(run: Run, databases: Databases, tmp_path: Path) -> None:
    write_rows(tmp_path / "one", "track", [{"id": 1, "gid": gid(1), "created": CREATED}])
    write_rows(tmp_path / "two", "track", [{"id": 1, "gid": gid(2), "created": CREATED}])
    assert databases
    assert run(tmp_path / "one").exit_code == 0
    refused = run(tmp_path / "two")
    assert refused.exit_code == 1
    assert "acoustid up --no-sample" in refused.stderr
