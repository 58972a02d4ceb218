"""Folders and tar files of backups: names, locks, what a killed process has left."""

import io
import tarfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.backup.manifest import NAME, ManifestError, StoredFile
from cli.backup.opened import BackupDamagedError, open_backup
from cli.backup.target import Target, open_file, open_folder
from cli.errors import StackError
from tests.unit.cli.backup.manifests import manifest

CONTENT = {"ingest.dump": b"x" * 1000, "empty": b"", "acoustid.conf": b"[a]\n"}


def write(target: Target) -> Path:
    stored: dict[str, StoredFile] = {}
    for name, content in CONTENT.items():
        with target.member(name) as member:
            for start in range(0, len(content), 300):
                member.write(content[start : start + 300])
        stored[name] = member.stored()
    with target.member(NAME) as member:
        member.write(manifest(datetime.now(UTC), stored).to_json().encode())
    return target.finish()


@contextmanager
def folder(tmp_path: Path) -> Iterator[Target]:
    with open_folder(tmp_path / "backups") as target:
        yield target


@contextmanager
def file(tmp_path: Path) -> Iterator[Target]:
    (tmp_path / "backups").mkdir(exist_ok=True)
    with open_file(tmp_path / "backups" / "b.tar") as target:
        yield target


kinds = pytest.mark.parametrize("kind", [folder, file])
Kind = type[AbstractContextManager[Target]]


def names(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "backups").iterdir()} - {".backup.lock"}


@kinds
def test_a_backup_reads_as_it_was_written(kind: Kind, tmp_path: Path) -> None:
    with kind(tmp_path) as target:
        path = write(target)
    backup = open_backup(path)
    assert {name: backup.read(name) for name in backup.manifest.files} == CONTENT
    read: list[int] = []
    backup.verify(read.append)
    assert sum(read) == backup.manifest.size()
    assert names(tmp_path) == {path.name}


@kinds
def test_other_users_cannot_read_it(kind: Kind, tmp_path: Path) -> None:
    with kind(tmp_path) as target:
        path = write(target)
    found = [path, *path.iterdir()] if path.is_dir() else [path]
    assert [each.stat().st_mode & 0o077 for each in found] == [0] * len(found)


def fail(target: Target) -> Path:
    with target.member("ingest.dump") as member:
        member.write(b"x")
    raise OSError("full")


@kinds
def test_a_failed_backup_leaves_nothing(kind: Kind, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="full"), kind(tmp_path) as target:
        fail(target)
    assert names(tmp_path) == set()


@kinds
def test_two_backups_to_one_place_are_refused(kind: Kind, tmp_path: Path) -> None:
    with kind(tmp_path) as target:
        with pytest.raises(StackError, match="another backup is being written"), kind(tmp_path):
            pass
        path = write(target)
    open_backup(path).verify(len_of)


def len_of(size: int) -> None:
    del size


def test_partial_folders_of_killed_processes_are_deleted(tmp_path: Path) -> None:
    left = tmp_path / "backups" / ".partial-2026-12-01T01-02-03Z"
    others = tmp_path / "backups" / ".partial-mine"
    for each in (left, others):
        each.mkdir(parents=True)
        (each / "ingest.dump").write_bytes(b"x")
    with folder(tmp_path) as target:
        path = write(target)
    assert names(tmp_path) == {path.name, others.name}


def test_partial_files_of_killed_processes_are_deleted(tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / ".old.tar.acoustid-backup-partial").write_bytes(b"x")
    (tmp_path / "backups" / ".b.tar.acoustid-backup-partial").write_bytes(b"x" * 50_000)
    with file(tmp_path) as target:
        write(target)
    assert names(tmp_path) == {"b.tar"}
    assert (tmp_path / "backups" / "b.tar").stat().st_size < 20_000


def test_the_partial_file_of_another_process_stays(tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    with open_file(tmp_path / "backups" / "a.tar") as other:
        with file(tmp_path) as target:
            write(target)
        path = write(other)
    assert names(tmp_path) == {"a.tar", "b.tar"}
    open_backup(path).verify(len_of)


def test_a_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    path.write_text("mine")
    with pytest.raises(StackError, match="exists: give another name"), open_file(path):
        pass
    path.unlink()
    with open_file(path) as target:
        path.write_text("mine")
        with pytest.raises(StackError, match="exists"):
            write(target)
    assert path.read_text() == "mine"
    assert [each.name for each in tmp_path.iterdir()] == ["b.tar"]


def test_other_programs_read_the_tar_file(tmp_path: Path) -> None:
    with file(tmp_path) as target:
        path = write(target)
    with tarfile.open(path) as archive:
        found = {each.name: archive.extractfile(each) for each in archive}
        assert {name: read.read() for name, read in found.items() if read and name != NAME} == (
            CONTENT
        )
        assert list(found) == [*CONTENT, NAME]


def test_wrong_places_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(StackError, match="is a file: give a folder"), open_folder(path):
        pass
    with (
        pytest.raises(StackError, match="is no folder: create it"),
        open_file(tmp_path / "a" / "b"),
    ):
        pass
    with folder(tmp_path) as target:
        made = write(target)
    with pytest.raises(StackError, match="is a backup itself"), open_folder(made):
        pass


@kinds
def test_a_changed_byte_is_found(kind: Kind, tmp_path: Path) -> None:
    with kind(tmp_path) as target:
        path = write(target)
    changed = path / "ingest.dump" if path.is_dir() else path
    with changed.open("r+b") as stream:
        stream.seek(600)
        stream.write(b"y")
    with pytest.raises(BackupDamagedError, match=r"the checksum of ingest\.dump is wrong"):
        open_backup(path).verify(len_of)


def test_a_missing_or_cut_member_is_found(tmp_path: Path) -> None:
    with folder(tmp_path) as target:
        path = write(target)
    with (path / "ingest.dump").open("r+b") as stream:
        stream.truncate(999)
    with pytest.raises(BackupDamagedError, match="has 999 bytes, and its manifest says 1000"):
        open_backup(path).verify(len_of)
    (path / "ingest.dump").unlink()
    with pytest.raises(BackupDamagedError, match=r"ingest\.dump is missing"):
        open_backup(path).verify(len_of)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_a_cut_tar_file_is_no_backup(share: float, tmp_path: Path) -> None:
    with file(tmp_path) as target:
        path = write(target)
    content = path.read_bytes()
    used = len(content) - 1024
    path.write_bytes(content[: int(share * used)])
    with pytest.raises(ManifestError):
        open_backup(path)


def test_other_files_are_no_backups(tmp_path: Path) -> None:
    path = tmp_path / "other.tar"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("x"), io.BytesIO())
    for each in (path, tmp_path):
        with pytest.raises(
            ManifestError, match=r"is not a complete backup: it has no backup\.json"
        ):
            open_backup(each)


def test_a_cut_file_is_found_wherever_it_is_cut(tmp_path: Path) -> None:
    with file(tmp_path) as target:
        path = write(target)
    content = path.read_bytes()
    last = content.rstrip(b"\0")  # the padding of the last member and the end of the archive
    for size in range(0, len(last), 97):
        path.write_bytes(content[:size])
        with pytest.raises((ManifestError, BackupDamagedError)):
            open_backup(path).verify(lambda size: size)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_member_that_is_no_file_is_missing(kind: bytes, tmp_path: Path) -> None:
    """A link in the place of a member, and members outside of the backup, are not followed."""
    with file(tmp_path) as target:
        path = write(target)
    changed = tmp_path / "changed.tar"
    with tarfile.open(path) as old, tarfile.open(changed, "w") as new:
        for name in ("/etc/outside", "../outside"):
            new.addfile(tarfile.TarInfo(name))
        for each in old:
            if each.name == "ingest.dump":
                each.type, each.linkname, each.size = kind, "/etc/hostname", 0
                new.addfile(each)
            else:
                new.addfile(each, old.extractfile(each))
    with pytest.raises(BackupDamagedError, match=r"ingest\.dump is missing"):
        open_backup(changed).verify(lambda size: size)
