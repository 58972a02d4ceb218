"""``run.json`` of this version and others; CPU time and memory by part of the stack."""

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import psutil
import pytest

from bench.stack.processes import (
    PARTS,
    Accounting,
    RunFile,
    part_of,
    per_request,
    read_run_file,
)
from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.processes.stopping import StopOrder
from cli.stack.processes.strays import ProcessIdentity
from cli.stack.roles import Layout, roles
from cli.stack.run_state import RunningProcess, RunState

# Uses 0.3 s of CPU, runs a child that uses the same, then waits for the end of its input.
WORK = """
import subprocess, sys, time
burn = "import time\\nwhile time.process_time() < 0.3: pass"
exec(burn)
subprocess.run([sys.executable, "-c", burn], check=True)
print("ready", flush=True)
sys.stdin.read()
"""
LEAST_CPU = 0.5  # s, less than 0.6 s: the system counts in steps of 10 ms


@contextmanager
def process(program):
    """Run a program during the block."""
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


def test_the_cpu_of_a_part_includes_ended_children(data):
    with process(WORK) as working, process('print("ready", flush=True)\ninput()') as waiting:
        add(data, "worker-lookup-1", working)
        add(data, "valkey", waiting)
        used = Accounting(data).cpu()
    assert used["lookup_workers"] >= LEAST_CPU
    assert used["redis"] < used["lookup_workers"]
    assert used["postgres"] == 0


def test_the_memory_of_a_part_is_that_of_its_processes(data):
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
    assert used["front_end"] >= LEAST_CPU
    assert used["rest"] <= own


def test_a_process_that_ends_is_an_error(data):
    with process(WORK) as working:
        add(data, "api", working)
        accounting = Accounting(data)
    with pytest.raises(StackError, match="api ended"):
        accounting.cpu()


def test_without_a_stack_accounting_is_an_error(tmp_path):
    with pytest.raises(StackError, match="no stack runs"):
        Accounting(DataDir.at(tmp_path))


def test_the_file_of_the_supervisor_is_read(data):
    api = RunningProcess("api", StopOrder.FRONT_END, 5001, "127.0.0.1", ProcessIdentity(12, 1.0))
    beat = RunningProcess("beat", StopOrder.BEAT, None, "127.0.0.1", ProcessIdentity(13, 1.0))
    RunState(ProcessIdentity(11, 1.0), (api, beat), ready=True).save(data)
    assert read_run_file(data) == RunFile(11, {"api": 12, "beat": 13}, 5001, ready=True)


def test_unknown_fields_are_ignored(data):
    api = {"role": "api", "identity": {"pid": 12, "cgroup": "/"}, "port": 5001, "threads": 4}
    found = {"supervisor": {"pid": 11, "user": 0}, "processes": [api], "ready": True, "version": 2}
    data.run.write_text(json.dumps(found), encoding="ascii")
    assert read_run_file(data) == RunFile(11, {"api": 12}, 5001, ready=True)


def test_a_stack_without_an_api_has_no_port(data):
    RunState(ProcessIdentity(11, 1.0)).save(data)
    assert read_run_file(data) == RunFile(11, {}, None, ready=False)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"processes": [{}], "ready": true}'])
def test_an_invalid_run_file_is_none(tmp_path, text):
    data = DataDir.at(tmp_path)
    assert read_run_file(data) is None
    data.run.write_text(text, encoding="ascii")
    assert read_run_file(data) is None


def test_every_role_has_a_part():
    layout = Layout("127.0.0.1", 5000, 5555, workers=2)
    parts = {each.name: part_of(each.name) for each in roles(layout)}
    assert parts == {
        "worker-lookup-1": "lookup_workers",
        "worker-lookup-2": "lookup_workers",
        "worker-submission": "import_workers",
        "worker-index": "import_workers",
        "beat": "rest",
        "api": "front_end",
        "flower": "rest",
    }
    assert (part_of("postgres"), part_of("valkey")) == ("postgres", "redis")
    assert part_of("ingest-nats") == "nats_ingest"
    assert part_of("a-role-of-another-version") == "rest"


def test_cpu_is_divided_by_the_number_of_requests():
    before = dict.fromkeys(PARTS, 1.0)
    after = {**before, "front_end": 2.0, "redis": 1.5}
    found = per_request(before, after, 100)
    assert (found["front_end"], found["redis"], found["total"]) == (10.0, 5.0, 15.0)
