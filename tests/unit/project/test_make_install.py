"""`make install`: unsuitable Pythons, interrupted installations, complete lock files."""

import os
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


# A Python that creates environments with itself. pip fails while the file `fail` exists.
FAKE_PYTHON = """#!/bin/sh
case "$*" in
    -c*) echo True;;
    "-m venv "*) mkdir -p "$3/bin"; touch "$3/pyvenv.cfg"; cp "$0" "$3/bin/python";;
    "-m pip "*)
        echo "$*" >> {folder}/calls; cat > {folder}/input
        case "$*" in
            *{fail_at}*) test ! -e {folder}/fail || {{ touch {venv}/partial; exit 1; }};;
        esac
esac
"""


def make(folder: Path, python: Path | str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `make install` with a Python for an environment in the folder."""
    venv = folder / "venv"
    command = ["make", "UV=", f"PYTHON={python}", f"VENV={venv}", *(options or ["install"])]
    # The tests may run below another `make`, which passes its options.
    environ = {name: text for name, text in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )


def fake_python(folder: Path, *, fail_at: str = "pip") -> Path:
    """Write a Python that installs nothing and lists the calls of pip in the file `calls`."""
    python = folder / "python3"
    python.write_text(FAKE_PYTHON.format(folder=folder, venv=folder / "venv", fail_at=fail_at))
    python.chmod(0o755)
    return python


def lock_entries(lock: str) -> dict[str, list[Requirement]]:
    """Return the pinned releases of each package in a lock file."""
    found: dict[str, list[Requirement]] = {}
    for line in re.findall(r"^[a-z].*==.*(?= \\$)", ROOT.joinpath(lock).read_text(), re.MULTILINE):
        requirement = Requirement(line)
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


@pytest.mark.parametrize("python", ["no-such-python", "/bin/false", "/bin/true", "/usr/bin"])
def test_a_python_that_does_not_run_is_reported(tmp_path: Path, python: str) -> None:
    done = make(tmp_path, python)
    assert done.returncode != 0
    assert f"but {python} does not run." in done.stderr
    assert "make PYTHON=" in done.stderr


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("echo Python 3.9.2; exit 1", "is Python 3.9.2."),
        ("echo python3.13: command not found >&2; echo more >&2; exit 127", "does not run."),
        ('case "$2" in *ensurepip*) exit 1;; esac; echo True', "apt install python3-venv"),
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


@pytest.mark.parametrize(
    ("target", "fail_at"),
    [("install", "stdin"), ("install", "requirements.lock"), ("install-dev", "dev.lock")],
)
def test_the_next_make_creates_an_environment_again_whose_installation_failed(
    tmp_path: Path, target: str, fail_at: str
) -> None:
    python = fake_python(tmp_path, fail_at=fail_at)
    venv = tmp_path / "venv"
    tmp_path.joinpath("fail").touch()
    assert make(tmp_path, python, target).returncode != 0
    assert venv.joinpath("partial").exists()
    tmp_path.joinpath("fail").unlink()
    done = make(tmp_path, python, target)
    assert done.returncode == 0, done.stderr
    assert "the last installation was not completed" in done.stdout
    assert not venv.joinpath("partial").exists()
    assert make(tmp_path, python, target).stdout == ""


def test_an_upgrade_installs_into_the_complete_environment(tmp_path: Path) -> None:
    python = fake_python(tmp_path)
    kept = tmp_path / "venv/kept"
    assert make(tmp_path, python).returncode == 0
    kept.touch()
    os.utime(tmp_path / "venv/.loop-packages", (0, 0))  # The lock file is newer.
    done = make(tmp_path, python)
    assert done.returncode == 0, done.stderr
    assert kept.exists()
    calls = tmp_path.joinpath("calls").read_text().splitlines()
    assert len(calls) == 8
    assert calls[:4] == calls[4:]


def test_a_directory_with_other_files_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "venv/other"
    other.parent.mkdir()
    other.touch()
    for _ in range(2):
        done = make(tmp_path, fake_python(tmp_path))
        assert done.returncode != 0
        assert "contains other files" in done.stderr
    assert other.exists()


def test_the_number_of_jobs_of_the_user_is_kept(tmp_path: Path) -> None:
    done = make(tmp_path, fake_python(tmp_path), "-j4", "install")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_loops_compile_with_the_packages_that_make_installs_first() -> None:
    line = re.search(
        r"^LOOP_PACKAGES := (.*)$", ROOT.joinpath("Makefile").read_text(), re.MULTILINE
    )
    assert line
    command = [sys.executable, "-c", WITH_LOOP_PACKAGES_ONLY, line[1]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert lock_entries(LOCKS[0]).keys() >= {"pip", *line[1].split()}


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
