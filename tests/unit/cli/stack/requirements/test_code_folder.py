"""The folder of machine code, for a package that cannot be written to."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline.loops

ROOT = Path(pipeline.loops.__file__).parents[2]
PROGRAM = (
    "from cli.stack.requirements.code_folder import needs_code_folder; print(needs_code_folder())"
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with a copy of the package, beside whose loops nothing can be written."""
    loops = tmp_path / "pipeline" / "loops"
    shutil.copytree(ROOT / "pipeline" / "loops", loops, ignore=shutil.ignore_patterns("__pyc*"))
    (tmp_path / "pipeline" / "__init__.py").touch()
    (loops / "__pycache__").write_text("root, too, cannot create a directory of this name")
    return tmp_path


@pytest.mark.parametrize(
    ("home", "variable", "needed"),
    [
        ("/dev/null", None, "True"),
        ("{folder}", None, "False"),
        ("/dev/null", "{folder}", "False"),
        ("/dev/null", "{folder}/new", "False"),
        ("/dev/null", "/dev/null/new", "True"),
    ],
)
def test_a_folder_is_needed_if_no_other_can_be_written_to(
    package: Path, home: str, variable: str | None, needed: str
) -> None:
    environ = {
        "PATH": os.defpath,
        "HOME": home.format(folder=package),
        "PYTHONPATH": f"{package}:{ROOT}",
    }
    if variable:
        environ["NUMBA_CACHE_DIR"] = variable.format(folder=package)
    done = subprocess.run(
        [sys.executable, "-B", "-c", PROGRAM],
        cwd=package,
        env=environ,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == needed
