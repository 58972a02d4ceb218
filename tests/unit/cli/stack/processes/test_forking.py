"""Processes that are forked from this one: they share its modules and nothing else.

The functions run in a process of their own, since a process with threads must not fork.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.stack.processes import forking, preloading

pytestmark = pytest.mark.skipif(not forking.IS_SUPPORTED, reason="processes fork on Linux only")

PARENT = """
import json, os, runpy, signal, sys
from contextlib import suppress
from pathlib import Path
from cli.stack.processes.child_process import LogPipe
from cli.stack.processes.forking import fork
from cli.stack.processes.programs import Program, find_program
from cli.stack.processes.waiting import wait_until
from cli.terminal import open_missing_streams

sys.path.insert(0, {folder!r})
open_missing_streams()
kept, lock, also_kept, other = (os.open({folder!r}, os.O_RDONLY) for _ in range(4))
parent = os.getpid()
os.environ["OF_PARENT"] = "yes"
signal.signal(signal.SIGTERM, lambda *_: None)
log = os.open({log!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
try:
    child = fork(
        {program},
        title="acoustid: api",
        log=LogPipe(Path({log!r}), log, lambda: None),
        env={{"OF_CHILD": "yes", "KEPT": json.dumps([kept, also_kept])}},
        cwd=Path({folder!r}),
        files=[also_kept, kept],
    )
finally:
    if os.getpid() != parent:
        print("the frame of the parent is left")
{then}
assert wait_until(lambda: not child.runs(), 30)
with suppress(OSError):  # standard output may be closed
    print(child.poll())
"""

REPORT = """
import json, os, signal, sys
listed = sorted(int(each) for each in os.listdir("/proc/self/fd"))
open_files = [each for each in listed if os.path.exists(f"/proc/self/fd/{each}")]
kept = json.loads(os.environ.pop("KEPT"))
print(json.dumps({
    "arguments": sys.argv[1:],
    "name": __name__,
    "environ": dict(os.environ),
    "keeps_only_given_files": open_files == [0, 1, 2, *kept],
    "folder": os.getcwd(),
    "leads_session": os.getsid(0) == os.getpid(),
    "handles_sigterm": callable(signal.getsignal(signal.SIGTERM)),
    "command_line": open("/proc/self/cmdline").read().rstrip("\\0 "),
}))
sys.exit(7)
"""


MODULE = """Program(
        lambda: runpy.run_module("started", run_name="__main__"), ["started", "argument"]
    )"""


ENDS_LATE = """
import atexit, tempfile, threading, time
folder = tempfile.TemporaryDirectory()
atexit.register(print, "exit handler")
threading.Thread(target=lambda: (time.sleep(0.2), print("end of thread"))).start()
"""


def fork_module(
    folder: Path, source: str, then: str = "", redirections: str = ""
) -> tuple[str, str]:
    """Fork a module from a new process; return the status of the fork and its output."""
    (folder / "started.py").write_text(source)
    return fork_program(folder, MODULE, then, redirections)


def fork_program(
    folder: Path, expression: str, then: str = "", redirections: str = ""
) -> tuple[str, str]:
    """Fork a program from a new process; return the status of the fork and its output."""
    log = folder / "log"
    program = PARENT.format(folder=str(folder), log=str(log), program=expression, then=then)
    command = ["sh", "-c", f'exec "$@" {redirections}', "sh", sys.executable, "-c", program]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip(), log.read_text()


def test_a_forked_process_has_nothing_of_its_parent_but_its_modules(tmp_path: Path) -> None:
    """A file descriptor of the lock would keep the lock, a handler would ignore SIGTERM."""
    status, output = fork_module(tmp_path, REPORT)
    found: dict[str, Any] = json.loads(output)
    assert status == "7"
    assert found.pop("environ") == {"OF_CHILD": "yes"}
    assert found == {
        "arguments": ["argument"],
        "name": "__main__",
        "keeps_only_given_files": True,
        "folder": str(tmp_path),
        "leads_session": True,
        "handles_sigterm": False,
        "command_line": "acoustid: api",
    }


@pytest.mark.parametrize(
    ("source", "status", "output"),
    [
        ("raise SystemExit('a reason')", "1", "a reason"),
        ("raise ValueError('a fault')", "1", "ValueError: a fault"),
        ("print('done')", "0", "done"),
    ],
)
def test_a_forked_process_ends_like_a_program(
    tmp_path: Path, source: str, status: str, output: str
) -> None:
    found = fork_module(tmp_path, source)
    assert found[0] == status
    assert output in found[1]


def test_a_forked_process_runs_its_exit_handlers(tmp_path: Path) -> None:
    """It does not unwind the frames of its parent first, which would stop the stack."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    source = f"import tempfile; tempfile.tempdir = {str(temporary)!r}\n{ENDS_LATE}"
    status, output = fork_module(tmp_path, source)
    assert status == "0"
    assert output.splitlines() == ["end of thread", "exit handler"]
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_a_process_without_standard_streams_forks(tmp_path: Path, closed: str) -> None:
    """The log must not get the number of a standard stream."""
    _, output = fork_module(tmp_path, REPORT, redirections=closed)
    assert json.loads(output)["keeps_only_given_files"]


@pytest.mark.parametrize("module", ["celery", "cli.main"])
def test_a_program_of_a_loaded_module_starts_without_a_warning(tmp_path: Path, module: str) -> None:
    status, output = fork_program(
        tmp_path, f"find_program([sys.executable, '-m', {module!r}, '--version'])"
    )
    assert status == "0"
    assert len(output.splitlines()) == 1, output


def test_a_signal_ends_a_forked_process(tmp_path: Path) -> None:
    status, _ = fork_module(tmp_path, "import time; time.sleep(600)", "child.send(signal.SIGTERM)")
    assert status == "-15"


def test_the_preloaded_modules_start_no_thread_and_read_no_configuration() -> None:
    """A fork copies one thread only, and the settings may change before a process starts again."""
    program = (
        "import os, psutil, sys\n"
        "from cli.stack.processes.preloading import import_modules\n"
        "list(import_modules())\n"
        "assert psutil.Process().num_threads() == 1\n"
        "assert not psutil.Process().net_connections()\n"
        "assert 'celeryconfig' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
    assert preloading.MODULES
