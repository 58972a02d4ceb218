"""``acoustid restart``: replaces the front end of a running stack."""

import time
from functools import partial
from pathlib import Path

import click

from cli.errors import StackError
from cli.progress import Progress
from cli.stack import data_directory
from cli.stack.data_directory import DataDir
from cli.stack.files.installed_code import EARLIER_CODE
from cli.stack.processes.strays import StrayProcess
from cli.stack.run_state import RunState
from cli.stack.selection import NoStackError, choose_own_stack
from cli.stack.supervision.signals import RESTART_SIGNAL


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
    after = _wait(data, before, supervisor)
    if after.restart_problem:
        raise StackError(f"{after.restart_problem}; the old front end continues to run")
    click.echo(f"The front end was replaced ({time.monotonic() - begun:.1f} s).")
    if not after.runs_installed_code():
        click.echo(EARLIER_CODE)


def _wait(data: DataDir, before: RunState, supervisor: StrayProcess) -> RunState:
    """Wait for the end of the restart, for which the supervisor has a time limit.

    Raises:
        StackError: the supervisor has ended.
    """
    begun = time.monotonic()
    progress = Progress(partial(click.echo, err=True))
    while supervisor.runs():
        state = RunState.load(data)
        if state is not None and state.restarts > before.restarts:
            return state
        progress.tell(lambda: f"waiting for the new front end ({time.monotonic() - begun:.0f} s)")
        time.sleep(0.05)
    raise StackError(f"the stack on {data.root} has ended: see {data.log('supervisor')}")
