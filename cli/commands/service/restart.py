"""``acoustid restart``: replaces the processes of a running stack, one after the other."""

import time
from functools import partial
from pathlib import Path

import click

from cli.errors import StackError
from cli.progress import Progress
from cli.stack import data_directory
from cli.stack.data_directory import DataDir
from cli.stack.files.installed_code import EARLIER_CODE
from cli.stack.processes.stopping import StopOrder
from cli.stack.processes.strays import StrayProcess
from cli.stack.run_state import RunState
from cli.stack.selection import NoStackError, choose_own_stack
from cli.stack.supervision.signals import RESTART_SIGNAL


@click.command()
@data_directory.option
def restart(data_dir: Path) -> None:
    """Replace all processes but the servers without refusing a request.

    The new processes run the installed code with the settings of `acoustid up`. PostgreSQL and
    Valkey go on.
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
        raise StackError(f"{after.restart_problem}; the old process continues to run")
    if kept := kept_roles(before, after):
        raise StackError(
            f"these processes were not replaced: {', '.join(kept)}. The supervisor may be that of "
            "an earlier version: run `acoustid down`, then `acoustid up`"
        )
    click.echo(f"All processes were replaced ({time.monotonic() - begun:.1f} s).")
    if not after.runs_installed_code():
        click.echo(EARLIER_CODE)


def kept_roles(before: RunState, after: RunState) -> list[str]:
    """Return the roles, without servers, whose processes run before and after a restart."""
    old = {each.identity for each in before.processes if each.stage != StopOrder.SERVER}
    return [each.role for each in after.processes if each.identity in old]


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
        progress.tell(lambda: f"waiting for the new processes ({time.monotonic() - begun:.0f} s)")
        time.sleep(0.05)
    raise StackError(f"the stack on {data.root} has ended: see {data.log('supervisor')}")
