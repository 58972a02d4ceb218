"""A stale pid file of PostgreSQL does not prevent a start."""

import os
from pathlib import Path

import pytest

from cli.stack.servers.postgres_leftovers import remove_stale_pid_file
from cli.stack.servers.postgres_pid_file import PID_FILE, postmaster_pid


@pytest.mark.parametrize(
    "text", ["", "0", "99999999999999999999999", "9" * 5000, "none", "2147483648"]
)
def test_a_pid_file_without_a_possible_pid_is_removed(tmp_path: Path, text: str) -> None:
    (tmp_path / PID_FILE).write_text(f"{text}\n/path\n")
    lines: list[str] = []
    assert postmaster_pid(tmp_path) is None
    remove_stale_pid_file(tmp_path, lines.append)
    assert not (tmp_path / PID_FILE).exists()
    assert "no possible pid" in lines[0]


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_pid_file_with_the_pid_of_another_program_is_removed(tmp_path: Path, sign: str) -> None:
    """A negative number is a server in single-user mode."""
    (tmp_path / PID_FILE).write_text(f"{sign}{os.getpid()}\n/path\n")
    lines: list[str] = []
    remove_stale_pid_file(tmp_path, lines.append)
    assert not (tmp_path / PID_FILE).exists()
    assert f"names process {os.getpid()}" in lines[0]
