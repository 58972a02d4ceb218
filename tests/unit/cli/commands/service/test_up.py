"""``acoustid up``: refused ports, and the password in its output."""

from pathlib import Path

from click.testing import CliRunner

from cli.commands.service.up import describe_running, up
from cli.stack.data_directory import DataDir
from cli.stack.processes.stopping import StopOrder
from cli.stack.processes.strays import ProcessIdentity
from cli.stack.run_state import RunningProcess, RunState
from cli.stack.servers.ports import free_port

NOBODY = ProcessIdentity(2**22, 1.0)


def test_the_api_and_flower_cannot_have_the_same_port(tmp_path: Path) -> None:
    port = str(free_port())
    options = ["--data-dir", str(tmp_path), "--port", port, "--flower-port", port]
    answer = CliRunner().invoke(up, options)
    assert answer.exit_code == 1
    assert f"cannot both use port {port}: choose another with --port" in answer.output


def test_up_prints_no_password_where_it_may_get_into_a_log(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path)
    data.create()
    flower = RunningProcess("flower", StopOrder.FRONT_END, 5555, "127.0.0.1", NOBODY)
    RunState(NOBODY, (flower,), ready=True).save(data)
    data.config.write_text("[flower]\npassword = a-secret\n")
    text = describe_running(data, shows_password=False)
    assert "a-secret" not in text
    assert "acoustid status --json --show-passwords" in text
    assert "password a-secret" in describe_running(data, shows_password=True)
