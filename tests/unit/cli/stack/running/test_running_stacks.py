"""Finding the stacks of this user, for the text of an error."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from cli.exit_status import ExitStatus
from cli.main import main
from cli.stack.processes.strays import ProcessIdentity
from cli.stack.running.running_stacks import data_directory_of, find_running_stacks, is_supervisor
from tests.support.polling import eventually


@pytest.mark.parametrize(
    ("line", "is_up", "folder"),
    [
        ("python -m cli.main up --data-dir /x --detached", True, "/x"),
        ("/v/bin/python /v/bin/acoustid up --data-dir=y", True, "y"),
        ("/v/bin/acoustid up", True, ".acoustid"),
        ("python -m cli.main serve --data-dir /x", False, "/x"),
        ("grep acoustid.conf up", False, ".acoustid"),
    ],
)
def test_command_lines(line: str, folder: str, *, is_up: bool) -> None:
    assert is_supervisor(line.split()) == is_up
    assert data_directory_of(line.split()) == Path(folder)


def test_a_running_stack_elsewhere_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record must name the process. Nothing uses it."""
    other, here = tmp_path / "other", tmp_path / "here"
    other.mkdir()
    here.mkdir()
    script = tmp_path / "acoustid"
    script.write_text("import sys; sys.stdin.read()")
    command = [sys.executable, str(script), "up", "--data-dir", "."]
    process = subprocess.Popen(command, cwd=other, stdin=subprocess.PIPE)
    try:
        eventually(lambda: is_supervisor(psutil.Process(process.pid).cmdline()))
        assert other not in find_running_stacks()
        identity = ProcessIdentity(process.pid, psutil.Process(process.pid).create_time())
        state = {"supervisor": asdict(identity), "processes": [], "ready": True}
        (other / "run.json").write_text(json.dumps(state))
        assert other in find_running_stacks()
        monkeypatch.chdir(here)
        result = CliRunner().invoke(main, ["index", "stats"])
        assert result.exit_code == ExitStatus.NO_STACK
        assert str(other) in result.stderr
    finally:
        process.kill()
        process.communicate()
    assert other not in find_running_stacks()
