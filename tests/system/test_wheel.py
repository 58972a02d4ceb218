"""The wheel and the source distribution: contents, and a stack that runs from the wheel."""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from cli.stack.servers import postgres_directory
from tests.support.processes.servers import temporary_folder

ROOT = Path(__file__).parents[2]
PACKAGES = (
    *("api", "bench", "cli", "http_server", "index_server", "nats_bridge"),
    *("pipeline", "tasks"),
)
ROOT_FILES = {
    *("CHANGELOG.md", "CONTRIBUTING.md", "Dockerfile", "LICENSE", "LICENSES.md", "Makefile"),
    *("README.md", "acoustid.conf.dist", "celeryconfig.py", "docker-compose.yml"),
    *("pyproject.toml", "requirements-dev.lock", "requirements.lock"),
}

pytestmark = pytest.mark.timeout(600)


def run(*command: str | Path, **options: Any) -> str:
    """Run a program; return its output."""
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=500, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_of(folder: Path, *names: str) -> set[str]:
    """Return the files in subfolders, relative to the folder, without compiled code."""
    return {
        path.relative_to(folder).as_posix()
        for name in names
        for path in folder.joinpath(name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A directory that all users can enter."""
    with temporary_folder() as made:
        yield made


@pytest.fixture(scope="module")
def built(folder: Path) -> Path:
    """The directory with the wheel, which is built from the source distribution."""
    python = (sys.executable, "-m")
    run(*python, "build", "--no-isolation", "--outdir", folder / "dist", ROOT)
    return folder / "dist"


@pytest.fixture(scope="module")
def environment(built: Path) -> Path:
    """A virtual environment with the wheel. It shares the dependencies of this environment."""
    made = built.parent / "environment"
    run(sys.executable, "-m", "venv", made)
    [wheel] = built.glob("*.whl")
    run(made / "bin/python", "-m", "pip", "install", "--no-index", "--no-deps", wheel)
    [packages] = made.glob("lib/python*/site-packages")
    packages.joinpath("dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return made


def test_the_descriptions_are_valid(built: Path) -> None:
    run(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir())


def test_the_source_distribution_has_all_sources_tests_and_documents(built: Path) -> None:
    [path] = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        found = {each.name.partition("/")[2] for each in archive if each.isfile()}
    assert (files_of(ROOT, *PACKAGES, "docs", "tests") | ROOT_FILES) - found == set()
    assert {each for each in found if each.endswith(".pyc")} == set()


def test_the_wheel_has_the_files_of_all_packages_and_the_documents(environment: Path) -> None:
    [packages] = environment.glob("lib/python*/site-packages")
    assert files_of(packages, *PACKAGES) == files_of(ROOT, *PACKAGES)
    share = environment / "share/acoustid-pipeline"
    assert files_of(share, "docs") == files_of(ROOT, "docs")
    assert share.joinpath("acoustid.conf.dist").is_file()


def test_a_stack_runs_from_the_wheel_in_the_directory_of_another_project(
    environment: Path, folder: Path
) -> None:
    """The working directory has modules with the names of ours."""
    project = folder / "project"
    project.mkdir()
    for name in (*PACKAGES, "celeryconfig"):
        project.joinpath(f"{name}.py").write_text("raise SystemExit('another project')\n")
    home = folder / "home"
    home.mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    options: dict[str, Any] = {"cwd": project, "env": {**kept, "HOME": str(home)}}
    acoustid = environment / "bin/acoustid"
    try:
        run(acoustid, "up", "--detach", "--workers=1", "--port=0", "--flower-port=0", **options)
        state = json.loads(run(acoustid, "status", "--json", **options))
        port = next(each["port"] for each in state["processes"] if each["role"] == "api")
        demo = project.joinpath(".acoustid/demo-lookup.txt").read_bytes()
        with urlopen(f"http://127.0.0.1:{port}/v2/lookup", demo, timeout=30) as reply:
            assert json.load(reply)["results"]
        assert "pong" in run(
            *(environment / "bin/python", "-P", "-m", "celery", "-A", "tasks", "inspect", "ping"),
            cwd=home,
            env={**options["env"], "ACOUSTID_CONFIG": str(project / ".acoustid/acoustid.conf")},
        )
    finally:
        run(acoustid, "down", **options)
        postgres_directory.delete_external(project / ".acoustid")
    assert not project.joinpath(".acoustid/run.json").exists()
