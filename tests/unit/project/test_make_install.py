"""`make install` reports an unsuitable Python, and installs from complete lock files."""

import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
LOCKS = ("requirements.lock", "requirements-dev.lock")

WITH_LOOP_PACKAGES_ONLY = """
import sys
from importlib.metadata import packages_distributions

allowed = sys.argv[1].split()
refused = {
    module
    for module, names in packages_distributions().items()
    if not {name.lower() for name in names} & {*allowed, "acoustid-pipeline"}
}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if path is None and name in refused:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Refuse())
from pipeline.warm_up import warm_up
warm_up()
"""


def make(folder: Path, python: Path | str) -> subprocess.CompletedProcess[str]:
    """Run the rule of `make` that creates .venv, with a Python."""
    venv = folder / "venv"
    command = ["make", "UV=", f"PYTHON={python}", f"VENV={venv}", f"{venv}/bin/pip"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def lock_entries(lock: str) -> dict[str, list[Requirement]]:
    """Return the pinned releases of each package in a lock file."""
    found: dict[str, list[Requirement]] = {}
    for line in re.findall(r"^[a-z].*==.*(?= \\$)", ROOT.joinpath(lock).read_text(), re.MULTILINE):
        requirement = Requirement(line)
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


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
    python = tmp_path / "a folder" / "python3"
    python.parent.mkdir()
    python.write_text(f"#!/bin/sh\n{program}\n")
    python.chmod(0o755)
    done = make(tmp_path, python)
    assert done.returncode != 0
    assert reason in done.stderr


def test_the_loops_compile_with_the_packages_that_make_installs_first() -> None:
    line = re.search(
        r"^LOOP_PACKAGES := (.*)$", ROOT.joinpath("Makefile").read_text(), re.MULTILINE
    )
    assert line
    command = [sys.executable, "-c", WITH_LOOP_PACKAGES_ONLY, line[1]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert lock_entries(LOCKS[0]).keys() >= set(line[1].split())


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_contains_every_dependency(lock: str) -> None:
    """The installers run with `--no-deps`."""
    entries = lock_entries(lock)
    environment = {key: str(value) for key, value in default_environment().items()}
    missing = []
    for name, pinned in entries.items():
        if not any(each.marker is None or each.marker.evaluate() for each in pinned):
            continue
        for text in requires(name) or []:
            needed = Requirement(text)
            if needed.marker and not needed.marker.evaluate({**environment, "extra": ""}):
                continue
            releases = entries.get(canonicalize_name(needed.name), [])
            if not any(
                needed.specifier.contains(next(iter(each.specifier)).version) for each in releases
            ):
                missing.append(f"{name}: {text}")
    assert missing == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_names_no_index_and_no_file(lock: str) -> None:
    assert re.findall(r"\w+://\S+|^--?\w*(?:index|find)\S*", ROOT.joinpath(lock).read_text()) == []
