"""The error that commands show to the user."""

import click


class StackError(click.ClickException):
    """A command failed. The text gives the reason and what to change."""
