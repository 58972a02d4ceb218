"""``acoustid status``: processes, queues, submissions, index and last errors of a stack."""

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from cli.exit_status import ExitStatus
from cli.stack import data_directory
from cli.stack.selection import ChosenStack, choose_own_stack
from cli.status.collect import SERVING, State, Status, collect
from cli.status.text import describe
from cli.terminal import is_plain
from pipeline.runtime.redact import MASK, redact_fields


@click.command()
@data_directory.option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--show-passwords", is_flag=True, help="Do not mask the passwords in the JSON.")
@click.option("--watch", is_flag=True, help="Print the state again and again until Ctrl-C.")
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 3600),
    default=2.0,
    show_default=True,
    help="Seconds between two states of --watch.",
)
@click.pass_context
def status(
    context: click.Context,
    data_dir: Path,
    *,
    as_json: bool,
    show_passwords: bool,
    watch: bool,
    interval: float,
) -> None:
    """Show processes, queues, submissions, index and last errors.

    The exit status is 0 if the stack serves requests, 1 if it does not, and 3 if it does not run.
    With --watch and --json, each state is one line.
    """
    stack = choose_own_stack(data_dir)
    if watch:
        show = _compact if as_json else describe
        read = partial(_read, stack, shows_passwords=show_passwords)
        _watch(read, show, interval, clear=not as_json)
        return
    found = _read(stack, shows_passwords=show_passwords)
    if found["state"] == State.STOPPED and not as_json:
        stack.running()  # raises the error of all commands
    click.echo(json.dumps(found, indent=2) if as_json else describe(found))
    context.exit(_exit_status(found))


def _read(stack: ChosenStack, *, shows_passwords: bool) -> Status:
    """Return the state of a stack; without `shows_passwords`, the logins have no passwords."""
    found = collect(stack)
    if not shows_passwords:
        if found["databases"] is not None:
            found["databases"] = redact_fields(found["databases"])
        if found["flower"] is not None:
            found["flower"] = {**found["flower"], "password": MASK}
    return found


def _exit_status(found: Status) -> ExitStatus:
    if found["state"] == State.STOPPED:
        return ExitStatus.NO_STACK
    return ExitStatus.OK if found["state"] in SERVING else ExitStatus.FAILED


def _compact(found: Status) -> str:
    return json.dumps(found)


def _watch(
    read: Callable[[], Status], show: Callable[[Status], str], interval: float, *, clear: bool
) -> None:
    """Print the state at intervals until Ctrl-C, on a terminal always at its top."""
    try:
        while True:
            text = show(read())
            if clear and not is_plain():
                click.clear()  # does nothing if the output is no terminal
            click.echo(text)
            time.sleep(interval)
    except KeyboardInterrupt:
        return
