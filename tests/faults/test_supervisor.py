"""The supervisor when its processes or the supervisor itself are killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis

from cli.stack.data_directory import DataDir
from cli.stack.processes.stopping import StopOrder
from cli.stack.processes.strays import ProcessIdentity
from cli.stack.run_state import RunningProcess, RunState
from tests.support.polling import eventually
from tests.support.processes.small_stack import PASSWORD

SLEEPER = "import time; time.sleep(600)"
OBSTINATE = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
WORKS_ON = (
    "import signal, sys, time; "
    "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1.0), sys.exit())); time.sleep(600)"
)
PARENT = (
    "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
)


class Stack:
    """A small stack under test."""

    def __init__(self, data: DataDir, **programs: str) -> None:
        self.data = data
        arguments = [f"{name}={text}" for name, text in programs.items()]
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.support.processes.small_stack",
                str(data.root),
                *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_ready(self) -> "Stack":
        """Wait until the stack is ready."""
        eventually(self.is_ready)
        return self

    def is_ready(self) -> bool:
        """Return whether this stack, not an earlier one on the same data, is ready."""
        state = RunState.load(self.data)
        return state is not None and state.ready and state.supervisor.pid == self.process.pid

    def pid(self, role: str) -> int:
        """Return the pid of a process from ``run.json``; 0 while it is down."""
        state = RunState.load(self.data)
        found = state.find(role) if state else None
        return found.identity.pid if found else 0

    def finish(self) -> tuple[int, str, str]:
        """Wait for the end of the supervisor; return exit status, stdout and stderr."""
        output, errors = self.process.communicate(timeout=60)
        return self.process.returncode, output, errors


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    """A data directory that does not exist yet."""
    return DataDir.at(tmp_path / "data")


@pytest.fixture
def start(data: DataDir) -> Iterator[Callable[..., Stack]]:
    """Start stacks on the data directory; stop them after the test."""
    started: list[Stack] = []

    def start_stack(**programs: str) -> Stack:
        started.append(Stack(data, **programs))
        return started[-1]

    yield start_stack
    for stack in started:
        if stack.process.poll() is None:
            stack.process.send_signal(signal.SIGTERM)
            stack.process.send_signal(signal.SIGTERM)
            stack.finish()


def lives(pid: int) -> bool:
    """Return whether a process runs and is not a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def client(stack: Stack) -> redis.Redis:
    """Connect to the stack's Valkey."""
    state = RunState.load(stack.data)
    server = state.find("valkey") if state else None
    assert server
    assert server.port
    return redis.Redis(host="127.0.0.1", port=server.port, password=PASSWORD)


@pytest.mark.parametrize("name", ["worker", "forked"])
def test_a_killed_process_is_restarted(start: Callable[..., Stack], name: str) -> None:
    stack = start(**{name: SLEEPER}).wait_ready()
    killed = stack.pid(name)
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: stack.pid(name) not in (0, killed))
    stack.process.send_signal(signal.SIGTERM)
    _, output, _ = stack.finish()
    assert f"{name} ended (SIGKILL)" in output
    assert f"{name} starts again" in output


def test_children_of_a_killed_process_are_killed(start: Callable[..., Stack]) -> None:
    """Otherwise they would keep its port, or work at the same time as the next process."""
    stack = start(worker=PARENT).wait_ready()
    eventually(lambda: psutil.Process(stack.pid("worker")).children())
    (left,) = psutil.Process(stack.pid("worker")).children()
    os.kill(stack.pid("worker"), signal.SIGKILL)
    eventually(lambda: not lives(left.pid))


def test_a_killed_server_is_restarted_with_its_data(start: Callable[..., Stack]) -> None:
    """Its port stays the same, since its clients are configured with it."""
    stack = start().wait_ready()
    killed = stack.pid("valkey")
    with client(stack) as connection:
        connection.set("kept", "yes")
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: stack.pid("valkey") not in (0, killed))
        eventually(lambda: answers(connection))
        assert connection.get("kept") == b"yes"


def answers(connection: redis.Redis) -> bool:
    """Return whether the server accepts commands."""
    try:
        return bool(connection.ping())
    except redis.RedisError:
        return False


def test_a_stack_can_start_after_its_supervisor_was_killed(
    start: Callable[..., Stack],
) -> None:
    """After kill -9 no process of the first stack runs, and no file prevents the second one.

    A forked process that still finishes its task is stopped first, and does not hold the lock.
    """
    first = start(worker=SLEEPER, forked=WORKS_ON).wait_ready()
    with client(first) as connection:
        connection.set("kept", "yes")
    pids = [first.pid("worker"), first.pid("forked"), first.pid("valkey")]
    first.process.send_signal(signal.SIGKILL)
    first.finish()
    assert lives(pids[1])
    second = start(worker=SLEEPER).wait_ready()
    assert not [pid for pid in pids if lives(pid)]
    with client(second) as connection:
        assert connection.get("kept") == b"yes"


def test_a_stray_process_of_an_earlier_run_is_stopped(
    start: Callable[..., Stack], data: DataDir
) -> None:
    """Not every kernel ends a process with its parent."""
    data.create()
    stray = subprocess.Popen([sys.executable, "-c", SLEEPER, str(data.config)])
    write_state(data, stray.pid, psutil.Process(stray.pid).create_time())
    start().wait_ready()
    assert stray.wait(timeout=10) == -signal.SIGTERM


@pytest.mark.parametrize(
    ("argument", "later"), [("/elsewhere/acoustid.conf", 0.0), ("{config}", 100.0)]
)
def test_another_process_with_a_reused_pid_is_not_stopped(
    start: Callable[..., Stack], data: DataDir, argument: str, later: float
) -> None:
    """A process with another path or start time does not belong to the stack."""
    data.create()
    given = argument.format(config=data.config)
    stranger = subprocess.Popen([sys.executable, "-c", SLEEPER, given])
    write_state(data, stranger.pid, psutil.Process(stranger.pid).create_time() - later)
    start().wait_ready()
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def write_state(data: DataDir, pid: int, created: float) -> None:
    """Write the ``run.json`` of a supervisor that has ended, with one worker."""
    identity = ProcessIdentity(pid, created, str(data.config))
    worker = RunningProcess("worker", StopOrder.WORKER, None, "127.0.0.1", identity)
    RunState(ProcessIdentity(2**22, 1.0), (worker,), ready=True).save(data)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all_processes_in_order(
    start: Callable[..., Stack], data: DataDir, number: signal.Signals
) -> None:
    """The front end is stopped first, servers last; ``run.json`` is deleted."""
    stack = start(worker=SLEEPER, api=SLEEPER).wait_ready()
    pids = [stack.pid(role) for role in ("worker", "api", "valkey")]
    stack.process.send_signal(number)
    status, output, _ = stack.finish()
    assert status == 0
    lines = [line for line in output.splitlines() if line.startswith("stop")]
    assert lines == ["stopping api", "stopping worker", "stopping valkey", "stopped"]
    assert not [pid for pid in pids if lives(pid)]
    assert not data.run.exists()


def test_a_stack_stops_at_once_when_its_directory_is_moved(
    start: Callable[..., Stack], data: DataDir
) -> None:
    """It writes nothing into the directory that is at its path now."""
    stack = start(worker=OBSTINATE, api=SLEEPER).wait_ready()
    pids = [stack.pid(role) for role in ("worker", "api", "valkey")]
    moved = DataDir.at(data.root.rename(data.root.with_name("moved")))
    data.create()
    data.run.write_text("that of another stack")
    status, _, errors = stack.finish()
    assert status == 1
    assert f"was moved or deleted while its stack ran: {data.root}" in errors
    assert not [pid for pid in pids if lives(pid)]
    assert not moved.run.exists()
    assert data.run.read_text() == "that of another stack"


def test_a_second_signal_shortens_the_waits(start: Callable[..., Stack]) -> None:
    """The role allows ten minutes for SIGTERM; after the second signal it is one second."""
    stack = start(worker=OBSTINATE).wait_ready()
    stack.process.send_signal(signal.SIGTERM)
    output = stack.process.stdout
    assert output
    eventually(lambda: "stopping worker" in output.readline())
    assert lives(stack.pid("worker"))
    stack.process.send_signal(signal.SIGTERM)
    assert stack.finish()[0] == 0


def test_a_second_stack_on_the_same_data_is_refused(start: Callable[..., Stack]) -> None:
    """The error names the command that stops the first stack, which keeps running."""
    first = start().wait_ready()
    status, _, errors = start().finish()
    assert status == 1
    assert f"already (pid {first.process.pid})" in errors
    assert "acoustid down" in errors
    assert first.process.poll() is None


def test_the_start_fails_if_a_process_ends_repeatedly(start: Callable[..., Stack]) -> None:
    """The error quotes the log of the process."""
    status, _, errors = start(worker="raise SystemExit('no such module')", prepare=SLEEPER).finish()
    assert status == 1
    assert "worker ends at every start" in errors
    assert "no such module" in errors
