"""A stack of one server and some test programs, for the tests of the supervisor.

Run as ``python -m tests.support.processes.small_stack DATA_DIR NAME=PROGRAM...``. Each PROGRAM is
Python source text. The program ``prepare`` runs once, and the stack is ready when it has ended. The
program ``forked`` runs in a fork of the supervisor, by the main function of `timeit`.
"""

import os
import sys
import timeit
from pathlib import Path
from signal import Signals
from unittest.mock import patch

import click

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.processes import programs as forked_programs
from cli.stack.processes.stopping import StopOrder
from cli.stack.roles import Role
from cli.stack.run_state import RunState, stop_strays
from cli.stack.servers.binaries import find_valkey
from cli.stack.servers.ports import free_port
from cli.stack.servers.valkey import ValkeyServer
from cli.stack.supervision.supervisor import StopRequested, Supervisor
from pipeline.settings.load import load_settings

PASSWORD = "test-password"
STOP_SIGNALS = ((Signals.SIGTERM, 600.0), (Signals.SIGKILL, 5.0))


def run(data: DataDir, programs: dict[str, str]) -> None:
    """Run Valkey and the programs until a signal to stop arrives."""
    data.create()
    prepare = programs.pop("prepare", "")
    with data.lock():
        state = RunState.load(data)
        if state:
            stop_strays(state.processes)
        supervisor = Supervisor(data, click.echo, load_settings().logging)
        environ = {**os.environ, "ACOUSTID_CONFIG": str(data.config)}
        with supervisor.supervise():
            supervisor.start_server(_valkey(data))
            for name, text in programs.items():
                stop_order = StopOrder.FRONT_END if name == "api" else StopOrder.WORKER
                forks = name == "forked"
                option = ("-m", "timeit", "-n1", "-r1") if forks else ("-c",)
                command = (sys.executable, *option, text)
                supervisor.start_role(
                    Role(name, stop_order, command, escalation=STOP_SIGNALS, forks=forks), environ
                )
            supervisor.run_command("prepare", (sys.executable, "-c", prepare), environ)
            click.echo("ready")
            supervisor.run_until_stopped()


def _valkey(data: DataDir) -> ValkeyServer:
    return ValkeyServer(
        data.valkey,
        find_valkey(),
        port=free_port(),
        password=PASSWORD,
        log=data.log("valkey"),
    )


if __name__ == "__main__":
    try:
        with patch.object(forked_programs, "PROGRAMS", {"timeit": lambda: timeit.main}):
            run(DataDir.at(Path(sys.argv[1])), dict(each.split("=", 1) for each in sys.argv[2:]))
    except StopRequested:
        click.echo("stopped")
    except StackError as error:
        sys.exit(error.message)
