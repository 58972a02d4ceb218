"""``acoustid down``: stops a stack."""

from contextlib import suppress
from functools import partial
from pathlib import Path
from signal import Signals

import click

from cli.errors import StackError
from cli.stack import data_directory
from cli.stack.data_directory import DataDir
from cli.stack.effective_settings import read_settings
from cli.stack.processes.stopping import Escalation, stop_process
from cli.stack.run_state import RunState, stop_strays
from cli.stack.running.stop_progress import pause_with_progress
from cli.stack.running.supervisors import find_supervisor
from cli.stack.selection import NoStackError, choose_own_stack

STOP_TIME = 120.0
"""Maximum time in seconds for a stack to stop, in addition to the drain time of its front end."""


@click.command()
@data_directory.option
def down(data_dir: Path) -> None:
    """Stop a stack after its running tasks have finished."""
    data = _directory(data_dir)
    state = RunState.load(data)
    supervisor = find_supervisor(data, state)
    if state is None and supervisor is None and data.is_locked():
        raise StackError(f"a stack on {data.root} has just begun to start: try again")
    processes = state.processes if state else ()
    pause = pause_with_progress(processes, partial(click.echo, err=True))
    if supervisor:
        stop_process(supervisor, stop_signals(data), pause)
    strays = stop_strays(processes, pause)
    if supervisor or strays:
        data.run.unlink(missing_ok=True)
        click.echo(f"The stack on {data.root} has stopped.")
    else:
        click.echo(f"No stack runs on {data.root}.")


def _directory(data_dir: Path) -> DataDir:
    """Return the data directory of the stack; without a stack, the one of the option."""
    with suppress(NoStackError):
        return choose_own_stack(data_dir).data or DataDir.at(data_dir)
    return DataDir.at(data_dir)


def stop_signals(data: DataDir) -> Escalation:
    """Return the signals for the supervisor of a stack."""
    drain_time = 0.0
    with suppress(StackError):  # settings that are not valid any more must not prevent the stop
        drain_time = read_settings(data.config).api.drain_time
    return (
        (Signals.SIGTERM, STOP_TIME + drain_time),
        (Signals.SIGTERM, 30.0),  # the second signal shortens the shutdown
        (Signals.SIGKILL, 5.0),
    )
