"""Damaged files of a data directory: they are repaired, and nothing is deleted."""

import errno
import json
import os
from pathlib import Path

import pytest

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.demo_keys import Demo, Prepared, replace_demo_user
from cli.stack.files.private_file import write_private
from cli.stack.files.set_aside import set_aside
from cli.stack.recovery.damaged_files import repair_files
from cli.stack.recovery.lost_record import load_record
from cli.stack.run_state import RunState
from cli.stack.stack_record import StackRecord
from tests.unit.cli.stack.identity.directories import claim

NAMES = ("run.json", "prepared.json", "acoustid.conf", "demo-lookup.txt", "stack.json")
DAMAGED = [b"", b"{", b"\xff\x00", b"[]", b"null"]


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    """A new data directory."""
    made = DataDir.at(tmp_path / "data")
    made.create()
    return made


@pytest.mark.parametrize("name", NAMES)
def test_a_directory_in_the_place_of_a_file_is_set_aside(data: DataDir, name: str) -> None:
    (data.root / name).mkdir()
    (data.root / name / "content").write_text("mine")
    lines: list[str] = []
    repair_files(data, lines.append)
    (moved,) = data.root.glob(f"{name}.damaged-*")
    assert (moved / "content").read_text() == "mine"
    assert len(lines) == 1
    assert moved.name in lines[0]
    write_private(data.root / name, "new")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["fifo", "loop", "dead link"])
def test_what_is_no_regular_file_is_set_aside_and_never_read(
    data: DataDir, name: str, kind: str
) -> None:
    """A read of a FIFO would wait for ever."""
    path = data.root / name
    if kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(name if kind == "loop" else "/no/such/file")
    RunState.load(data)
    Prepared.load(data.prepared)
    lines: list[str] = []
    repair_files(data, lines.append)
    (moved,) = data.root.glob(f"{name}.damaged-*")
    assert f"{path} is no regular file and is now {moved.name}" in lines
    write_private(path, "new")


def test_a_file_that_cannot_be_read_is_not_damaged(
    data: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root can read all files, so the error of the system is raised here."""
    StackRecord.load(data)
    data.run.write_text("{}")
    before = sorted(data.root.iterdir())

    def refuse(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    for use in (
        lambda: repair_files(data, pytest.fail),
        lambda: load_record(data, pytest.fail),
        lambda: RunState.load(data),
    ):
        with pytest.raises(StackError, match=r"\.json cannot be read: Permission denied"):
            use()
    assert sorted(data.root.iterdir()) == before


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize("name", ["run.json", "prepared.json"])
def test_a_damaged_file_is_set_aside(data: DataDir, name: str, content: bytes) -> None:
    (data.root / name).write_bytes(content)
    lines: list[str] = []
    repair_files(data, lines.append)
    (moved,) = data.root.glob(f"{name}.damaged-*")
    assert moved.read_bytes() == content
    assert moved.name in lines[0]


def test_sound_files_stay_and_partial_files_are_deleted(data: DataDir) -> None:
    Prepared(Demo("c", "u")).save(data.prepared)
    RunState.load(data)
    for name in NAMES:
        (data.root / f".{name}-abcd1234").write_text("a part")
    lines: list[str] = []
    repair_files(data, lines.append)
    assert lines == []
    assert [each.name for each in data.root.iterdir() if each.is_file()] == ["prepared.json"]


def test_two_files_that_are_set_aside_at_once_have_different_names(data: DataDir) -> None:
    moved = set()
    for _ in range(3):
        data.run.write_text("x")
        moved.add(set_aside(data.run))
    assert len(moved) == 3
    assert all(each.exists() for each in moved)


@pytest.mark.parametrize("content", [*DAMAGED, b'{"demo": 1}', b'{"demo": {"client": "c"}}'])
def test_damaged_demo_keys_are_like_missing_ones(data: DataDir, content: bytes) -> None:
    data.prepared.write_bytes(content)
    assert Prepared.load(data.prepared) == Prepared()
    replace_demo_user(data.prepared, ["old"], "new")
    assert data.prepared.read_bytes() == content


CONF = """
[database]
host = 127.0.0.1
user = acoustid
password = of postgres
[redis]
host = 127.0.0.1
password = of valkey
[cluster]
secret = of the cluster
[flower]
password = of flower
"""


def test_a_new_directory_gets_a_new_record(data: DataDir) -> None:
    record = load_record(data, pytest.fail)
    assert load_record(data, pytest.fail) == record


@pytest.mark.parametrize("content", [*DAMAGED, b'{"token": 1}', b"[" * 100_000, None])
def test_a_damaged_record_is_made_again_from_the_configuration(
    data: DataDir, content: bytes | None
) -> None:
    """None stands for a file that was deleted."""
    (data.root / "postgres").mkdir()
    data.config.write_text(CONF)
    if content is not None:
        data.record.write_bytes(content)
    lines: list[str] = []
    record = load_record(data, lines.append)
    assert record.postgres_password == "of postgres"
    assert record.valkey_password == "of valkey"
    assert record.cluster_secret == "of the cluster"
    assert record.flower_password == "of flower"
    assert len(lines) == 1
    assert "new:" not in lines[0]
    assert not data.record.exists()
    if content is not None:
        (moved,) = data.root.glob("stack.json.damaged-*")
        assert moved.read_bytes() == content


@pytest.mark.parametrize("conf", ["", "\0", "[database]\nhost = db.example\npassword = other\n"])
def test_missing_passwords_are_replaced_and_named(data: DataDir, conf: str) -> None:
    """The password of a server of the user is not one of the stack."""
    (data.root / "postgres").mkdir()
    data.config.write_text(conf)
    data.record.write_text("{")
    lines: list[str] = []
    record = load_record(data, lines.append)
    assert len(record.postgres_password) >= 24
    assert "new: postgres password, valkey password, cluster secret, flower password" in lines[0]
    assert record.postgres_password not in lines[0]


def test_a_sound_record_is_kept(data: DataDir) -> None:
    (data.root / "postgres").mkdir()
    saved = StackRecord.load(data).with_ports(postgres=1, valkey=2)
    saved.save(data)
    assert load_record(data, pytest.fail) == saved


@pytest.mark.parametrize(
    "fault",
    [
        {"postgres_port": None},
        {"postgres_port": "abc", "valkey_port": -5},
        {"postgres_port": 99999999, "valkey_port": 1.5},
        {"directory": [1]},
        {"directory": {"path": "/x"}},
        {"directory": {"path": 5, "device": 1, "inode": 2}},
    ],
)
def test_an_impossible_port_or_directory_counts_as_none(
    data: DataDir, fault: dict[str, object]
) -> None:
    """The passwords are sound, so they are kept."""
    saved = StackRecord.load(data)
    data.record.write_text(json.dumps({**json.loads(data.record.read_text()), **fault}))
    assert load_record(data, pytest.fail) == saved


def test_added_fields_stay_in_a_repaired_record(data: DataDir) -> None:
    claim(data)
    record = json.loads(data.record.read_text())
    added = {**record, "directory": {**record["directory"], "added": 1}, "other": [2]}
    data.record.write_text(json.dumps(added))
    claim(data)
    StackRecord.load(data).with_ports(postgres=0, valkey=0).save(data)
    assert json.loads(data.record.read_text()) == added
