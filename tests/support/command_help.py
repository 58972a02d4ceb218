"""Writes `cli.command_help` from the commands: ``python -m tests.support.command_help``."""

import subprocess
import sys
from inspect import cleandoc
from pathlib import Path

import click

from cli import command_help
from cli.main import COMMANDS, main

HEAD = '''"""The help of each command and group, so that ``--help`` imports none of them.

Written by ``python -m tests.support.command_help``; a test compares it with the commands.
"""

# ruff: noqa: E501 - a text is one line

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

COMMAND_HELP: Final[Mapping[str, str]] = MappingProxyType(
'''

MIDDLE = ''')
"""The help of each command of `acoustid` by its name. Hidden commands are missing."""

SUBCOMMAND_HELP: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
'''

END = ''')
"""The help of each command of a group, by the names of the group and the command."""
'''


def collect() -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Return the tables of `cli.command_help` as the commands have them."""
    context = click.Context(main)
    loaded = {name: main.get_command(context, name) for name in COMMANDS}
    found = {name: each for name, each in loaded.items() if each is not None and not each.hidden}
    texts, subcommands = {}, {}
    for name, each in found.items():
        if isinstance(each, click.Group):
            texts[name] = cleandoc(each.help or "")
            subcommands[name] = {
                key: first_paragraph(sub) for key, sub in each.commands.items() if not sub.hidden
            }
        else:
            texts[name] = first_paragraph(each)
    return texts, subcommands


def first_paragraph(command: click.Command) -> str:
    """Return the part of a help text that a list of commands shows."""
    return " ".join((command.help or "").split("\n\n", maxsplit=1)[0].split())


def write() -> None:
    """Replace the module."""
    texts, groups = collect()
    path = Path(command_help.__file__)
    path.write_text(HEAD + repr(texts) + MIDDLE + repr(groups) + END)
    subprocess.run([sys.executable, "-m", "ruff", "format", path], check=True)


if __name__ == "__main__":
    write()
