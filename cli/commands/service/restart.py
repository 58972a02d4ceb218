"""``acoustid restart``: replaces the front end of a running stack."""

import time
from pathlib import Path

import click

from cli.errors import StackError
from cli.stack import data_directory
from cli.stack.data_directory import DataDir
from cli.stack.run_state import RunState
from cli.stack.selection import NoStackError, choose_own_stack
from cli.stack.supervisor import RESTART_SIGNAL

TIMEOUT = 90.0
"""Seconds to wait for the supervisor. Its own time limit for the new process is shorter."""


@click.command()
@data_directory.option
def restart(data_dir: Path) -> None:
    """Replace the front end without refusing a request.

    The new process runs the installed code with the settings of `acoustid up`. The workers are not
    restarted.
    """
    stack = choose_own_stack(data_dir)
    data, before = stack.directory(), stack.running()
    supervisor = before.supervisor.find()
    if supervisor is None or not before.ready:
        raise NoStackError(f"the stack in {data.root} is not ready: see `acoustid status`")
    begun = time.monotonic()
    supervisor.send(RESTART_SIGNAL)
    after = _wait(data, before)
    if after.restart_problem:
        raise StackError(f"{after.restart_problem}; the old front end continues to run")
    click.echo(f"The front end was replaced ({time.monotonic() - begun:.1f} s).")


def _wait(data: DataDir, before: RunState) -> RunState:
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        state = RunState.load(data)
        if state is not None and state.restarts > before.restarts:
            return state
        time.sleep(0.05)
    raise StackError("the supervisor did not answer: check `acoustid status` and its log")
