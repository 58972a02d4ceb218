"""Completion in shells."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import COMMANDS, main

HEAVY = {"celery", "numba", "numpy", "redis", "sqlalchemy"}
PROGRAM = (
    "import sys; from cli.main import main\n"
    "try: main(prog_name='acoustid')\n"
    f"finally: print(*{HEAVY} & set(sys.modules), file=sys.stderr)\n"
)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_names_the_program(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert "_ACOUSTID_COMPLETE" in result.stdout
    assert "acoustid" in result.stdout


def complete(*words: str, folder: Path, **variables: str) -> tuple[set[str], str]:
    """Return the completions of the last word, and the heavy modules that were imported."""
    environ = {
        **os.environ,
        **variables,
        "_ACOUSTID_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["acoustid", *words]),
        "COMP_CWORD": str(len(words)),
        "PYTHONPATH": str(Path(__file__).parents[5]),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return {line.partition(",")[2] for line in done.stdout.splitlines()}, done.stderr.strip()


def test_commands_are_completed_without_importing_them(tmp_path: Path) -> None:
    found, heavy = complete("", folder=tmp_path)
    assert found == set(COMMANDS) - {"ready"}
    assert heavy == ""
    assert complete("st", folder=tmp_path)[0] == {"status", "store"}


def test_roles_are_completed(tmp_path: Path) -> None:
    for stack, name in ((".acoustid", "worker-index"), ("other", "worker-lookup-1")):
        logs = tmp_path / stack / "logs"
        logs.mkdir(parents=True)
        (tmp_path / stack / "stack.json").write_text("{}")
        (tmp_path / stack / "acoustid.conf").touch()
        for each in ("api", name):
            (logs / f"{each}.log").touch()
    found, heavy = complete("logs", "w", folder=tmp_path)
    assert found == {"worker-index"}
    assert heavy == ""
    other = {"worker-lookup-1"}
    assert complete("logs", "--data-dir", "other", "w", folder=tmp_path)[0] == other
    named = str(tmp_path / "other" / "acoustid.conf")
    assert complete("logs", "w", folder=tmp_path, ACOUSTID_CONFIG=named)[0] == other


def test_without_a_stack_no_roles_are_completed(tmp_path: Path) -> None:
    assert complete("logs", "", folder=tmp_path)[0] <= {""}
