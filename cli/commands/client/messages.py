"""Messages of the client commands on standard error, beside a progress bar."""

import sys
from typing import NoReturn

import click
from tqdm import tqdm


def progress_bar(unit: str, *, total: int | None = None, initial: int = 0) -> "tqdm[NoReturn]":
    """Return a progress bar on standard error, which shows nothing if that is no terminal."""
    is_hidden = sys.stderr is None or not sys.stderr.isatty()
    return tqdm(total=total, initial=initial, unit=f" {unit}", disable=is_hidden)


def print_result(text: str) -> None:
    """Print a line to standard output, above the progress bar if there is one."""
    with tqdm.external_write_mode(file=sys.stdout):
        click.echo(text)


def tell(text: str) -> None:
    """Print a line to standard error, above the progress bar if there is one."""
    if sys.stderr is not None:  # it is None if the command was started with a closed one
        tqdm.write(text, file=sys.stderr)


def tell_refused(name: str, reason: str) -> None:
    """Print why a line or a file is refused."""
    tell(f"{name} was refused: {reason}")


def printable(text: object) -> str:
    """Return a text in which a space replaces each control character.

    Titles come from the server or from a file. A control character in them can break a line, or
    change the state of the terminal.
    """
    return "".join(each if each.isprintable() else " " for each in str(text))
