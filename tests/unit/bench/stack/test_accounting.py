"""CPU and memory of real processes, told apart by the parts that they play."""

import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import psutil
import pytest

from bench.stack.accounting import Accounting
from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.roles import StopOrder
from cli.stack.run_state import RunningProcess, RunState
from cli.stack.strays import ProcessIdentity

# Works for 0.3 s of CPU itself, has a child work as long and end, then waits for its input to end.
WORK = """
import subprocess, sys, time
burn = "import time\\nwhile time.process_time() < 0.3: pass"
exec(burn)
subprocess.run([sys.executable, "-c", burn], check=True)
print("ready", flush=True)
sys.stdin.read()
"""
MOST = 0.5  # s of that CPU: the system counts in steps of 10 ms


@contextmanager
def process(program):
    """Run a program until the block is left."""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as started:
        assert started.stdout.readline() == b"ready\n"
        yield psutil.Process(started.pid)
        started.stdin.close()


def identity(found):
    return ProcessIdentity(found.pid, found.create_time())


@pytest.fixture
def data(tmp_path):
    data = DataDir.at(tmp_path)
    RunState(supervisor=identity(psutil.Process())).save(data)
    return data


def add(data, role, found):
    state = RunState.load(data)
    added = RunningProcess(role, StopOrder.WORKER, None, "127.0.0.1", identity(found))
    replace(state, processes=(*state.processes, added)).save(data)


def test_a_part_has_the_cpu_of_its_children_that_have_ended(data):
    with process(WORK) as working, process('print("ready", flush=True)\ninput()') as waiting:
        add(data, "worker-lookup-1", working)
        add(data, "valkey", waiting)
        used = Accounting(data).cpu()
    assert used["lookup_workers"] >= MOST
    assert used["redis"] < used["lookup_workers"]
    assert used["postgres"] == 0


def test_a_part_has_the_memory_of_its_processes(data):
    with process(WORK) as first, process(WORK) as second:
        add(data, "worker-lookup-1", first)
        add(data, "worker-lookup-2", second)
        accounting = Accounting(data)
        memory, resident = accounting.memory(), accounting.rss("lookup_workers")
    assert len(resident) == 2
    assert 1 < memory["lookup_workers"] <= sum(resident)
    assert memory["front_end"] == 0


def test_the_supervisor_does_not_count_the_other_roles_twice(data):
    with process(WORK) as working:
        add(data, "api", working)
        used, own = Accounting(data).cpu(), sum(psutil.Process().cpu_times()[:4])
    assert used["front_end"] >= MOST
    assert used["rest"] <= own


def test_a_process_that_ends_spoils_the_measurement(data):
    with process(WORK) as working:
        add(data, "api", working)
        accounting = Accounting(data)
    with pytest.raises(StackError, match="api has ended"):
        accounting.cpu()


def test_without_a_stack_there_is_nothing_to_measure(tmp_path):
    with pytest.raises(StackError, match="no stack runs"):
        Accounting(DataDir.at(tmp_path))
