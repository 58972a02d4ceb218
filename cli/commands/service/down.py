"""``acoustid down``: stops a stack."""

from pathlib import Path
from signal import Signals

import click

from cli.stack import data_directory
from cli.stack.data_directory import DataDir
from cli.stack.run_state import RunState, stop_strays
from cli.stack.stopping import Escalation, stop_process

STOP_SIGNALS: Escalation = (
    (Signals.SIGTERM, 120.0),
    (Signals.SIGTERM, 30.0),  # the second signal shortens the shutdown
    (Signals.SIGKILL, 5.0),
)


@click.command()
@data_directory.option
def down(data_dir: Path) -> None:
    """Stop a stack after its running tasks have finished."""
    data = DataDir.at(data_dir)
    state = RunState.load(data)
    supervisor = state.supervisor.find() if state and data.is_locked() else None
    if supervisor:
        stop_process(supervisor, STOP_SIGNALS)
    strays = stop_strays(state.processes) if state else []
    if supervisor or strays:
        data.run.unlink(missing_ok=True)
        click.echo(f"The stack on {data.root} has stopped.")
    else:
        click.echo(f"No stack runs on {data.root}.")
