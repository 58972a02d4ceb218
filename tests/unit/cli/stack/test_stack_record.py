"""Passwords and ports are kept between runs."""

import json
from pathlib import Path

import pytest

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.stack_record import StackRecord


def test_the_record_is_created_once(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path)
    first = StackRecord.load(data)
    assert StackRecord.load(data) == first
    assert data.record.stat().st_mode & 0o077 == 0


def test_two_stacks_have_different_secrets(tmp_path: Path) -> None:
    records = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        records.append(StackRecord.load(DataDir.at(tmp_path / name)))
    assert records[0].postgres_password != records[1].postgres_password
    assert len({records[0].postgres_password, records[0].valkey_password}) == 2


def test_ports_are_kept(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path)
    StackRecord.load(data).with_ports(postgres=1, valkey=2).save(data)
    assert (StackRecord.load(data).postgres_port, StackRecord.load(data).valkey_port) == (1, 2)


def test_a_field_of_a_newer_version_stays(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path)
    StackRecord.load(data)
    newer = {**json.loads(data.record.read_text()), "added": "a secret"}
    data.record.write_text(json.dumps(newer))
    StackRecord.load(data).with_ports(postgres=1, valkey=2).save(data)
    assert json.loads(data.record.read_text()) == {**newer, "postgres_port": 1, "valkey_port": 2}


def test_the_repr_has_no_secrets() -> None:
    record = StackRecord()
    assert record.postgres_password not in repr(record)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"token": 1}'])
def test_a_malformed_record_is_an_error_and_is_not_replaced(tmp_path: Path, text: str) -> None:
    data = DataDir.at(tmp_path)
    data.record.write_text(text)
    with pytest.raises(StackError, match=r"stack\.json is damaged"):
        StackRecord.load(data)
    assert data.record.read_text() == text
