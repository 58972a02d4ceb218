"""``acoustid down``: end a stack, wherever it was started."""

from pathlib import Path
from signal import Signals

import click

from cli import datadir
from cli.datadir import DataDir
from cli.ending import Escalation, end
from cli.runstate import RunState, end_strays

PATIENCE: Escalation = (
    (Signals.SIGTERM, 120.0),
    (Signals.SIGTERM, 30.0),  # a second one hurries it
    (Signals.SIGKILL, 5.0),
)


@click.command()
@datadir.option
def down(data_dir: Path) -> None:
    """End a stack: no task is cut off, and nothing that was acknowledged is lost."""
    data = DataDir.at(data_dir)
    state = RunState.load(data)
    supervisor = state.supervisor.find() if state and data.is_locked() else None
    if supervisor:
        end(supervisor, PATIENCE)
    strays = end_strays(state.processes) if state else []
    if supervisor or strays:
        data.run.unlink(missing_ok=True)
        click.echo(f"The stack on {data.root} has ended.")
    else:
        click.echo(f"No stack runs on {data.root}.")
