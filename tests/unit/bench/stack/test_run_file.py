"""``run.json`` of this version and of others."""

import json

import pytest

from bench.stack.run_file import RunFile, read_run_file
from cli.stack.data_directory import DataDir
from cli.stack.roles import StopOrder
from cli.stack.run_state import RunningProcess, RunState
from cli.stack.strays import ProcessIdentity


@pytest.fixture
def data(tmp_path):
    return DataDir.at(tmp_path)


def test_what_the_supervisor_writes_is_read(data):
    api = RunningProcess("api", StopOrder.FRONT_END, 5001, "127.0.0.1", ProcessIdentity(12, 1.0))
    beat = RunningProcess("beat", StopOrder.BEAT, None, "127.0.0.1", ProcessIdentity(13, 1.0))
    RunState(ProcessIdentity(11, 1.0), (api, beat), ready=True).save(data)
    assert read_run_file(data) == RunFile(11, {"api": 12, "beat": 13}, 5001, ready=True)


def test_fields_that_another_version_adds_do_no_harm(data):
    api = {"role": "api", "identity": {"pid": 12, "cgroup": "/"}, "port": 5001, "threads": 4}
    found = {"supervisor": {"pid": 11, "user": 0}, "processes": [api], "ready": True, "version": 2}
    data.run.write_text(json.dumps(found), encoding="ascii")
    assert read_run_file(data) == RunFile(11, {"api": 12}, 5001, ready=True)


def test_a_stack_without_an_api_has_no_port(data):
    RunState(ProcessIdentity(11, 1.0)).save(data)
    assert read_run_file(data) == RunFile(11, {}, None, ready=False)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"processes": [{}], "ready": true}'])
def test_what_cannot_be_read_is_no_stack(data, text):
    assert read_run_file(data) is None
    data.run.write_text(text, encoding="ascii")
    assert read_run_file(data) is None
