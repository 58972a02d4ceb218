"""The errors that commands show to the user."""

import sys
from typing import IO, Any

import click

from cli.exit_status import ExitStatus


class StackError(click.ClickException):
    """A command failed. The text gives the reason and what to change."""


class Interrupted(click.ClickException):
    """Ctrl-C ended the command."""

    exit_code = ExitStatus.INTERRUPTED

    def __init__(self) -> None:
        super().__init__("interrupted")
        self.args = ()

    def show(self, file: IO[Any] | None = None) -> None:
        """Print that the command was interrupted, below the ``^C`` of the terminal."""
        line_break = "\n" if sys.stderr.isatty() else ""
        click.echo(f"{line_break}Interrupted.", file=file, err=file is None)


def exit_if_refused(done: int, refused: int, failure: str) -> None:
    """End a command on several items if some of them were refused.

    Args:
        done: number of items that were done.
        refused: number of items that were refused.
        failure: the text of the error if none was done.

    Raises:
        StackError: items were refused, and none was done.
        click.exceptions.Exit: some were refused; with `ExitStatus.PARTIAL`.
    """
    if refused and not done:
        raise StackError(failure)
    if refused:
        raise click.exceptions.Exit(ExitStatus.PARTIAL)
