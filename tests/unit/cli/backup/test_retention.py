"""Which backups `--keep` deletes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.backup.manifest import NAME, StoredFile
from cli.backup.retention import complete_backups, delete_older
from tests.unit.cli.backup.manifests import manifest

START = datetime(2026, 12, 1, tzinfo=UTC)


def make(parent: Path, day: int, service: str = "ours") -> Path:
    created = START + timedelta(days=day)
    path = parent / created.strftime("%Y-%m-%dT%H-%M-%SZ")
    path.mkdir()
    (path / "ingest.dump").write_bytes(b"x")
    files = {"ingest.dump": StoredFile(1, "00")}
    (path / NAME).write_text(manifest(created, files, service).to_json())
    return path


def names(parent: Path) -> list[str]:
    return sorted(path.name for path in parent.iterdir())


def test_the_oldest_are_deleted(tmp_path: Path) -> None:
    made = [make(tmp_path, day) for day in (3, 1, 2, 4)]
    deleted = list(delete_older(tmp_path, made[3], "ours", 2))
    assert deleted == [made[2], made[1]]
    assert names(tmp_path) == sorted(path.name for path in (made[0], made[3]))


def test_the_new_one_stays_if_the_clock_went_back(tmp_path: Path) -> None:
    made = [make(tmp_path, day) for day in (5, 6, 1)]
    assert list(delete_older(tmp_path, made[2], "ours", 1)) == [made[1], made[0]]
    assert names(tmp_path) == [made[2].name]


@pytest.mark.parametrize(
    "change",
    [
        lambda path: (path / NAME).unlink(),
        lambda path: (path / NAME).write_text("{}"),
        lambda path: (path / "notes.txt").write_text("why we keep this one"),
        lambda path: (path / "ingest.dump").unlink(),
        lambda path: (path / "ingest.dump").write_bytes(b""),
        lambda path: path.rename(path.with_name("before-upgrade")),
        lambda path: (path / "sub").mkdir(),
    ],
)
def test_what_is_no_complete_backup_stays(change: object, tmp_path: Path) -> None:
    old, new = make(tmp_path, 1), make(tmp_path, 2)
    assert callable(change)
    change(old)
    before = names(tmp_path)
    assert list(delete_older(tmp_path, new, "ours", 1)) == []
    assert names(tmp_path) == before


def test_backups_of_other_services_stay(tmp_path: Path) -> None:
    others = [make(tmp_path, day, "other") for day in (1, 2)]
    ours = [make(tmp_path, day) for day in (3, 4)]
    assert list(delete_older(tmp_path, ours[1], "ours", 1)) == [ours[0]]
    assert names(tmp_path) == [path.name for path in (*others, ours[1])]


def test_links_stay(tmp_path: Path) -> None:
    elsewhere, parent = tmp_path / "elsewhere", tmp_path / "backups"
    elsewhere.mkdir()
    parent.mkdir()
    target = make(elsewhere, 1)
    (parent / target.name).symlink_to(target)
    new = make(parent, 2)
    assert list(delete_older(parent, new, "ours", 1)) == []
    assert (target / "ingest.dump").exists()


def test_the_newest_backup_is_first(tmp_path: Path) -> None:
    made = [make(tmp_path, day, service) for day, service in ((1, "ours"), (2, "other"))]
    assert [each.path for each in complete_backups(tmp_path)] == made[::-1]
    assert [each.path for each in complete_backups(tmp_path, "ours")] == made[:1]
