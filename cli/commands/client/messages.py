"""Messages of the client commands on standard error, beside a progress bar."""

import os
import sys
from typing import NoReturn

import click
from tqdm import tqdm

from cli.printable import printable


def progress_bar(
    unit: str, *, total: int | None = None, initial: int = 0, leave: bool = True
) -> "tqdm[NoReturn]":
    """Return a progress bar on standard error, which shows nothing if that is no terminal.

    Args:
        unit: what it counts, in the plural.
        total: the number at its end, if it is known.
        initial: the number at its start.
        leave: whether it stays on the terminal at its end.
    """
    is_hidden = sys.stderr is None or not sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=initial,
        unit=f" {unit}",
        disable=is_hidden,
        leave=leave,
        ncols=None if is_hidden else _columns(),
    )


def _columns() -> int | None:
    """Return the width of a bar on a terminal that has none; None if it has one."""
    try:
        return None if os.get_terminal_size(sys.stderr.fileno()).columns else 80
    except (OSError, ValueError):
        return 80


def counted(number: int, things: str) -> str:
    """Return a number with the name of what it counts, which is given in the plural."""
    return f"{number} {things.removesuffix('s') if number == 1 else things}"


def print_result(text: str | bytes) -> None:
    """Print a line to standard output, above the progress bar if there is one."""
    with tqdm.external_write_mode(file=sys.stdout):
        click.echo(text)


def tell(text: str) -> None:
    """Print a line to standard error, above the progress bar if there is one."""
    if sys.stderr is not None:  # it is None if the command was started with a closed one
        tqdm.write(printable(text), file=sys.stderr)


def tell_refused(name: str, reason: str) -> None:
    """Print why a line or a file is refused."""
    tell(f"{name} was refused: {reason}")
