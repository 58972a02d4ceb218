"""Walks all commands of `acoustid`, and makes valid command lines for them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

import click

from cli.main import main

UNSET: Final = "\0"

OTHERS: Final = {
    "accounts delete": ["--yes"],
    "keys create": ["--application", "a"],
    "keys limit": ["1", "--default"],
    "keys register-client": ["--all"],
    "keys rotate": ["1"],
    "keys show": ["1"],
    "keys enable": ["1"],
    "keys disable": ["1"],
    "submissions requeue": ["--all"],
    "ingest dead-letters requeue": ["--all"],
    "lookup": ["--duration", "60"],
    "submit": ["--duration", "60", "--track", "a"],
}
"""Arguments that a command needs although no parameter is required."""


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Yield the name, such as ``keys list``, and the command of each one that is no group."""
    yield from _below("", main)


def _below(prefix: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group):
            yield from _below(f"{prefix}{name} ", command)
        else:
            yield prefix + name, command


def command_line(
    name: str, command: click.Command, folder: Path, **values: str | list[str]
) -> list[str]:
    """Return a command line with all required parameters, which is valid.

    Args:
        name: the name of the command.
        command: the command.
        folder: has an empty file ``file`` and an empty directory ``directory``.
        values: the values of parameters by name, in place of valid ones.
    """
    options, arguments = [], []
    for each in command.params:
        given = values.get(each.name or "", UNSET)
        if given == UNSET and not each.required:
            continue
        value = str(valid_value(each, folder) if given == UNSET else given)
        if isinstance(each, click.Option):
            options.append(f"{each.opts[-1]}={value}")
        else:
            arguments.append(value)
    return [
        *name.split(),
        *OTHERS.get(name, []),
        *options,
        *(["--", *arguments] if arguments else []),
    ]


def valid_value(parameter: click.Parameter, folder: Path) -> object:
    """Return a valid value of a parameter."""
    match parameter.type:
        case click.Path() as path:
            return folder / ("directory" if not path.file_okay else "file")
        case click.File():
            return folder / "file"
        case click.Choice() as choice:
            return next(iter(choice.choices))
        case click.types.UUIDParameterType():
            return UUID(int=1)
    return "http://127.0.0.1:9" if parameter.name == "api" else 1
