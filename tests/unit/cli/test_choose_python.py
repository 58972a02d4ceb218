"""`make` takes the first Python on the PATH unless another one is much faster."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "cli" / "choose_python.sh"

AT_ONCE = "echo 100"
A_LITTLE_FASTER = "echo 90"
MUCH_FASTER = "echo 70"
NEVER = "echo 999999999999"
TOO_OLD = "exit 1"


def choose(folder: Path, *programs: tuple[str, str]) -> Path:
    """Return what is chosen with these programs on the PATH, each in a folder of its own."""
    folders = []
    for number, (name, answer) in enumerate(programs):
        program = folder / f"in {number}" / name
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\ncat > /dev/null\n{answer}\n")
        program.chmod(0o755)
        folders.append(str(program.parent))
    path = os.pathsep.join([*folders, os.environ["PATH"]])
    done = subprocess.run(
        ["/bin/sh", SCRIPT], env={"PATH": path}, capture_output=True, text=True, check=True
    )
    return Path(done.stdout.rstrip("\n"))


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [
        (AT_ONCE, A_LITTLE_FASTER, 0),
        (AT_ONCE, MUCH_FASTER, 1),
        (TOO_OLD, AT_ONCE, 1),
        (NEVER, AT_ONCE, 1),
    ],
)
def test_the_first_unless_another_is_much_faster(tmp_path, first, second, chosen) -> None:
    found = choose(tmp_path, ("python3", first), ("python3", second))
    assert found == tmp_path / f"in {chosen}" / "python3"


def test_a_version_by_its_name(tmp_path) -> None:
    found = choose(tmp_path, ("python3", AT_ONCE), ("python3.11", MUCH_FASTER))
    assert found == tmp_path / "in 1" / "python3.11"


def test_a_real_one_is_chosen_where_nothing_on_the_path_will_do(tmp_path) -> None:
    found = choose(tmp_path, ("python3", TOO_OLD), ("python3.12", NEVER))
    program = "import sys, ensurepip, venv; print(sys.version_info >= (3, 11))"
    done = subprocess.run([found, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
