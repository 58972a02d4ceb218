"""A stack of one server and a few stand-in processes, for the tests of the supervisor.

Run as ``python -m tests.support.small_stack DATA_DIR NAME=PROGRAM...``: each PROGRAM is Python
text. The one called ``settle`` runs once, and the stack is ready when it has ended.
"""

import os
import sys
from pathlib import Path
from signal import Signals

import click

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.roles import Role, Stage
from cli.stack.run_state import RunState, end_strays
from cli.stack.servers.binaries import find_valkey
from cli.stack.servers.ports import free_port
from cli.stack.servers.valkey import ValkeyServer
from cli.stack.supervisor import StopRequested, Supervisor

PASSWORD = "test-password"
PATIENCE = ((Signals.SIGTERM, 600.0), (Signals.SIGKILL, 5.0))


def run(data: DataDir, programs: dict[str, str]) -> None:
    """Run Valkey and the programs until somebody asks to stop."""
    data.create()
    settle = programs.pop("settle", "")
    with data.lock():
        state = RunState.load(data)
        if state:
            end_strays(state.processes)
        supervisor = Supervisor(data, click.echo)
        environ = {**os.environ, "ACOUSTID_CONFIG": str(data.config)}
        with supervisor.on_duty():
            supervisor.start_server(_valkey(data))
            for name, text in programs.items():
                stage = Stage.FRONT if name == "api" else Stage.WORKER
                command = (sys.executable, "-c", text)
                supervisor.start_role(Role(name, stage, command, escalation=PATIENCE), environ)
            supervisor.run_once("settle", (sys.executable, "-c", settle), environ)
            click.echo("ready")
            supervisor.watch()


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
        run(DataDir.at(Path(sys.argv[1])), dict(each.split("=", 1) for each in sys.argv[2:]))
    except StopRequested:
        click.echo("stopped")
    except StackError as error:
        sys.exit(error.message)
