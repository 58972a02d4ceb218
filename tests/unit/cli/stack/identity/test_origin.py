"""A data directory is the original, was moved, restored or copied."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cli.stack.data_directory import DataDir
from cli.stack.identity.origin import Origin, find_provenance
from cli.stack.stack_record import StackRecord
from tests.unit.cli.stack.identity.directories import copy, move, of_earlier_version, started

Make = Callable[[Path], DataDir]
both_versions = pytest.mark.parametrize("make", [started, of_earlier_version])


def origin(data: DataDir) -> Origin:
    return find_provenance(data, StackRecord.load(data)).origin


def test_a_new_directory_is_its_own(tmp_path: Path) -> None:
    assert origin(DataDir.at(tmp_path)) is Origin.OWN


@both_versions
def test_the_directory_of_the_last_start_is_its_own(tmp_path: Path, make: Make) -> None:
    assert origin(make(tmp_path / "a")) is Origin.OWN


@both_versions
def test_a_copy_is_found_while_its_original_exists(tmp_path: Path, make: Make) -> None:
    data = make(tmp_path / "a")
    made = copy(data, tmp_path / "b")
    assert origin(made) is Origin.COPIED
    assert find_provenance(made, StackRecord.load(made)).path == data.root
    assert origin(data) is Origin.OWN


@both_versions
def test_a_copy_of_a_copy_is_a_copy_of_the_original(tmp_path: Path, make: Make) -> None:
    data = make(tmp_path / "a")
    copy(data, tmp_path / "b")
    made = copy(DataDir.at(tmp_path / "b"), tmp_path / "c")
    assert find_provenance(made, StackRecord.load(made)).path == data.root


@both_versions
def test_a_copy_whose_original_is_gone_is_a_restored_backup(tmp_path: Path, make: Make) -> None:
    data = make(tmp_path / "a")
    made = copy(data, tmp_path / "b")
    shutil.rmtree(data.root)
    assert origin(made) is Origin.RESTORED
    started(tmp_path / "a")  # another stack at the old path
    assert origin(made) is Origin.RESTORED


def test_a_moved_directory_is_found_by_its_inode(tmp_path: Path) -> None:
    assert origin(move(started(tmp_path / "a"), tmp_path / "b")) is Origin.MOVED


def test_a_moved_directory_is_found_although_a_copy_is_at_its_old_path(tmp_path: Path) -> None:
    moved = move(started(tmp_path / "a"), tmp_path / "b")
    assert origin(copy(moved, tmp_path / "a")) is Origin.RESTORED
    assert origin(moved) is Origin.MOVED


def test_a_copy_at_the_path_of_the_original_is_another_directory(tmp_path: Path) -> None:
    """The backup is made and restored with the same path."""
    data = started(tmp_path / "a")
    backup = copy(data, tmp_path / "backup")
    move(data, tmp_path / "old")
    assert origin(move(backup, tmp_path / "a")) is Origin.RESTORED


def test_a_device_with_another_number_at_the_same_path_is_the_same(tmp_path: Path) -> None:
    """The numbers of file systems may change when the machine starts again."""
    data = started(tmp_path / "a")
    record = StackRecord.load(data)
    assert record.directory
    record.with_directory(replace(record.directory, device=0)).save(data)
    assert origin(data) is Origin.OWN


def test_a_file_system_snapshot_with_the_same_inode_is_a_copy(tmp_path: Path) -> None:
    """The root of a snapshot has the inode of the original and another device."""
    data = started(tmp_path / "a")
    made = copy(data, tmp_path / "b")
    record = StackRecord.load(made)
    assert record.directory
    snapshot = replace(record.directory, device=0, inode=made.root.stat().st_ino)
    record.with_directory(snapshot).save(made)
    assert origin(made) is Origin.COPIED


def test_a_second_path_of_one_directory_is_not_a_copy(tmp_path: Path) -> None:
    data = started(tmp_path / "a")
    (tmp_path / "link").symlink_to(data.root)
    assert origin(DataDir(tmp_path / "link")) is Origin.OWN
