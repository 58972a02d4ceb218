"""The errors that the command line shows to whoever typed it."""

import click


class StackError(click.ClickException):
    """The stack can't do what was asked; the text says why and what to change."""
