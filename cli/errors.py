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

    def show(self, file: IO[Any] | None = None) -> None:
        """Print that the command was interrupted, below the ``^C`` of the terminal."""
        line_break = "\n" if sys.stderr.isatty() else ""
        click.echo(f"{line_break}Interrupted.", file=file, err=file is None)
