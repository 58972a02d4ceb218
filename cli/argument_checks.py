"""Checks of the arguments of a command, before it runs.

The databases refuse a text that is not valid UTF-8, a NUL character, and a number outside the range
of a column. Without these checks, such an argument ends in a traceback.
"""

import re
from typing import Final

import click

LARGEST: Final = 2**31 - 1
"""The largest id in the databases, and the largest number of rows."""

_NO_LIMIT: Final = 1000
"""A number of characters that no short help reaches."""

_ID: Final = re.compile(r"0*[0-9]{1,10}", re.ASCII)


class CheckedCommand(click.Command):
    """A command whose texts are valid UTF-8 and whose integers fit into a column.

    A path may have bytes that are not UTF-8, as the file system permits.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse and check the arguments.

        Raises:
            click.UsageError: an argument is not valid.
        """
        if any("\0" in each for each in args):
            raise click.UsageError("an argument must not contain a NUL character", ctx)
        rest = super().parse_args(ctx, args)
        for parameter in self.get_params(ctx):
            values = ctx.params.get(parameter.name or "")
            for value in values if isinstance(values, tuple) else (values,):
                problem = _problem(value)
                if problem is not None:
                    raise click.BadParameter(problem, ctx, parameter)
        return rest


class CheckedGroup(click.Group):
    """A group of checked commands, whose list has full sentences."""

    command_class = CheckedCommand

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names and short helps of the commands. A long one continues below."""
        named = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, short_help(command))
            for name, command in named
            if command is not None and not command.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def short_help(command: click.Command) -> str:
    """Return the first sentence of the help of a command. It is not cut."""
    return command.get_short_help_str(_NO_LIMIT)


def parse_id(text: str) -> int | None:
    """Return the id that a text of ASCII digits names; None for another text or a larger number."""
    number = int(text) if _ID.fullmatch(text) else None
    return number if number is not None and number <= LARGEST else None


def _problem(value: object) -> str | None:
    """Return the reason why the databases would refuse a value; None if there is none."""
    if isinstance(value, int) and not -LARGEST <= value <= LARGEST:
        return f"the number must not exceed {LARGEST}"
    if isinstance(value, str) and not _is_utf8(value):
        return "the text is not valid UTF-8"
    return None


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
