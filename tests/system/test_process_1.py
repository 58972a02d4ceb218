"""SIGTERM ends process 1 of a container. Linux discards it if the process has no handler for it."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support.polling import eventually
from tests.system.packages import needs_root

pytestmark = needs_root
TIMEOUT = 60  # seconds
END_TIME = 10  # seconds; Docker then sends SIGKILL


@contextmanager
def process_1(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``acoustid`` as process 1 of a namespace during the block; yield its parent."""
    namespace = ("unshare", "--pid", "--fork", "--kill-child")
    with log.open("wb") as output:
        parent = subprocess.Popen(
            (*namespace, sys.executable, "-m", "cli.main", *arguments),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        )
    try:
        yield parent
    finally:
        parent.kill()
        parent.communicate()


def end(parent: subprocess.Popen[bytes], has_begun: Callable[[], bool]) -> int:
    """Send SIGTERM when the process has begun its work, and return the exit status."""
    eventually(has_begun, TIMEOUT)
    (child,) = psutil.Process(parent.pid).children()
    child.send_signal(signal.SIGTERM)
    return parent.wait(END_TIME)


def test_an_index_server_that_starts_ends(tmp_path: Path) -> None:
    log = tmp_path / "log"
    options = ("--dir", str(tmp_path / "data"), "--port", "0")
    with process_1(log, "index", "serve", *options) as parent:
        assert end(parent, lambda: "index server: http://" in log.read_text()) == 0


def test_another_command_ends_with_the_status_of_the_signal(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    options = ("--dir", str(folder), "name", "-")  # it reads the snapshot from its standard input
    with process_1(tmp_path / "log", "index", "restore", *options) as parent:
        assert end(parent, folder.exists) == 128 + signal.SIGTERM
