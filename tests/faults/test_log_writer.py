"""The log writer and the supervisor are killed, and logs cannot be written."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.stack.data_directory import DataDir
from cli.stack.logs.log_pipes import WRITER_MODULE, LogPipes
from cli.stack.processes.child_process import ChildProcess, LogPipe, read_tail, spawn
from pipeline.settings.sections import LoggingSettings
from tests.support.polling import eventually

SETTINGS = LoggingSettings(file_size=50_000, old_files=99)

COUNT = "for number in range(20_000): print('line', number, flush=number % 100 == 0)"
CRASH = "import faulthandler, os; faulthandler.enable(); os.abort()"
FAREWELL = """
import signal, sys, time
def stop(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for number in range(20_000): print("farewell", number)
    sys.exit()
signal.signal(signal.SIGTERM, stop)
print("begin", flush=True)
time.sleep(600)
"""
SUPERVISOR = """
import sys, time
from pathlib import Path
from cli.stack.processes.child_process import spawn
from cli.stack.data_directory import DataDir
from cli.stack.logs.log_pipes import LogPipes
from pipeline.settings.sections import LoggingSettings
settings = LoggingSettings(file_size=50_000, old_files=99)
logs = LogPipes(DataDir.at(Path(sys.argv[1])), settings, print)
logs.start()
spawn([sys.executable, "-c", sys.argv[2]], log=logs.pipe("api"), env={})
time.sleep(600)
"""


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    made = DataDir.at(tmp_path)
    made.create()
    return made


@pytest.fixture
def reports() -> list[str]:
    return []


@pytest.fixture
def logs(data: DataDir, reports: list[str]) -> Iterator[LogPipes]:
    made = LogPipes(data, SETTINGS, reports.append)
    made.start()
    yield made
    made.close()


def run(program: str, log: LogPipe) -> ChildProcess:
    return spawn([sys.executable, "-c", program], log=log, env={})


def finish(child: ChildProcess) -> None:
    eventually(lambda: not child.runs())


def writer_of(parent: int) -> psutil.Process:
    """Return the log writer of a process."""

    def find() -> list[psutil.Process]:
        children = psutil.Process(parent).children()
        # A process that has just been started may have no command line yet.
        return [each for each in children if WRITER_MODULE in each.cmdline()]

    (writer,) = eventually(find)
    return writer


def text(data: DataDir, name: str) -> str:
    """Return the content of all files of a log, the oldest first."""
    path = data.log(name)
    older = sorted(
        path.parent.glob(f"{path.name}.*"), key=lambda each: -int(each.suffix.removeprefix("."))
    )
    return "".join(each.read_text() for each in [*older, path])


def numbers(data: DataDir, name: str, word: str) -> list[int]:
    return [int(each) for each in re.findall(rf"^{word} (\d+)$", text(data, name), re.MULTILINE)]


def test_the_output_of_a_process_is_in_files_of_limited_size(logs: LogPipes, data: DataDir) -> None:
    finish(run(COUNT, logs.pipe("api")))
    logs.flush()
    assert numbers(data, "api", "line") == list(range(20_000))
    sizes = [each.stat().st_size for each in data.log("api").parent.glob("api.log*")]
    assert len(sizes) > 3
    assert max(sizes) <= SETTINGS.file_size


def test_two_processes_share_a_log_without_cut_lines(logs: LogPipes, data: DataDir) -> None:
    pipe = logs.pipe("api")
    children = [run(COUNT, pipe) for _ in range(2)]
    for child in children:
        finish(child)
    logs.flush()
    assert sorted(numbers(data, "api", "line")) == sorted([*range(20_000)] * 2)


def test_the_output_of_a_crash_is_in_the_log(logs: LogPipes) -> None:
    log = logs.pipe("worker")
    finish(run(CRASH, log))
    assert "Fatal Python error: Aborted" in read_tail(log)


def test_a_killed_writer_is_replaced_and_no_process_waits(
    logs: LogPipes, data: DataDir, reports: list[str]
) -> None:
    log = logs.pipe("api")
    writer = writer_of(os.getpid())
    os.kill(writer.pid, signal.SIGSTOP)
    child = run(f"print('x' * {3 * 2**20}); print('end')", log)
    os.kill(writer.pid, signal.SIGKILL)

    def ended() -> bool:
        logs.restart_ended()
        return not child.runs()

    eventually(ended)
    logs.flush()
    assert "it starts again" in reports[0]
    assert "x" * 3 * 2**20 in text(data, "api").replace("\n", "")
    assert read_tail(log).endswith("end")


def test_a_writer_that_does_not_answer_is_replaced(
    monkeypatch: pytest.MonkeyPatch, data: DataDir, reports: list[str]
) -> None:
    monkeypatch.setattr("cli.stack.logs.log_pipes.TIMEOUT", 2.0)
    logs = LogPipes(data, SETTINGS, reports.append)
    logs.start()
    writer = writer_of(os.getpid())
    os.kill(writer.pid, signal.SIGSTOP)
    finish(run("print('later')", logs.pipe("beat")))

    def arrived() -> bool:
        logs.restart_ended()
        logs.flush()
        return data.log("beat").exists() and "later" in text(data, "beat")

    eventually(arrived)
    logs.close()


def test_the_last_output_after_the_death_of_the_supervisor_is_kept(data: DataDir) -> None:
    supervisor = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(data.root), FAREWELL])
    try:
        eventually(lambda: data.log("api").exists() and "begin" in text(data, "api"))
        writer = writer_of(supervisor.pid)
        children = psutil.Process(supervisor.pid).children()
    finally:
        supervisor.kill()
        supervisor.wait()
    for child in children:
        child.send_signal(signal.SIGTERM)  # also to the log writer, as a service manager does
    eventually(lambda: not writer.is_running() or writer.status() == psutil.STATUS_ZOMBIE)
    assert numbers(data, "api", "farewell") == list(range(20_000))


def test_a_log_that_cannot_be_written_stops_no_process(logs: LogPipes, data: DataDir) -> None:
    log = logs.pipe("api")
    folder = log.path.parent
    folder.rename(folder.with_name("away"))
    finish(run(f"print('x' * {3 * 2**20})", log))
    logs.flush()
    folder.with_name("away").rename(folder)
    finish(run("print('again')", log))
    logs.flush()
    assert re.search(
        r"^1 lines \(\d{7} bytes\) of output could not be written\nagain$",
        text(data, "api"),
        re.MULTILINE,
    )


def test_the_writer_ends_with_the_stack(data: DataDir, reports: list[str]) -> None:
    made = LogPipes(data, SETTINGS, reports.append)
    made.start()
    made.pipe("api")
    writer = writer_of(os.getpid())
    made.close()
    assert not writer.is_running() or writer.status() == psutil.STATUS_ZOMBIE
    assert reports == []
