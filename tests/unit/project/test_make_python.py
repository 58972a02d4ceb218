"""`make` reports a missing or unsuitable Python, and the versions that it needs."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def make(folder: Path, python: Path | str) -> subprocess.CompletedProcess[str]:
    """Run the rule of `make` that creates .venv, with a Python."""
    venv = folder / "venv"
    command = ["make", f"PYTHON={python}", f"VENV={venv}", f"{venv}/bin/pip"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_missing_python_is_reported(tmp_path: Path) -> None:
    done = make(tmp_path, "no-such-python")
    assert done.returncode != 0
    assert "no-such-python is not on the PATH" in done.stderr
    assert "make PYTHON=" in done.stderr


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("echo Python 3.9.2; exit 1", "is Python 3.9.2"),
        ('case "$2" in *ensurepip*) exit 1;; esac', "apt install python3-venv"),
    ],
)
def test_an_unsuitable_python_is_reported_with_the_reason(
    tmp_path: Path, program: str, reason: str
) -> None:
    python = tmp_path / "python3"
    python.write_text(f"#!/bin/sh\n{program}\n")
    python.chmod(0o755)
    done = make(tmp_path, python)
    assert done.returncode != 0
    assert reason in done.stderr
