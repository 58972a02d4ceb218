"""The limit of open files of `acoustid up`."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from cli.errors import StackError
from cli.stack.requirements.open_files import raise_file_limit
soft, hard = map(int, sys.argv[1:])
if hard < 1024:
    def refuse(*_): raise PermissionError
    real = resource.setrlimit
    real(resource.RLIMIT_NOFILE, (soft, hard))
    resource.setrlimit = lambda what, limits: refuse() if limits[1] > hard else real(what, limits)
else:
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
try:
    raise_file_limit()
except StackError as error:
    print(error)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def limited(soft: int, hard: int) -> str:
    """Return the output of a process with these limits, which may not raise the hard limit."""
    command = [sys.executable, "-c", PROGRAM, str(soft), str(hard)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.parametrize(
    ("soft", "hard", "raised"), [(64, 4096, 1024), (64, 300, 300), (2000, 4096, 2000)]
)
def test_a_low_limit_is_raised(soft: int, hard: int, raised: int) -> None:
    assert limited(soft, hard) == f"{raised}\n"


def test_a_limit_that_cannot_be_raised_is_refused() -> None:
    assert "may open 64 files, and the service needs 256" in limited(64, 64)
