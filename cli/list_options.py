"""Options that several commands have: the maximum number of rows, and JSON as the output."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def limit_option(default: int, rows: str) -> Callable[[F], F]:
    """Return the decorator that adds ``--limit``, the maximum number of rows.

    Args:
        default: the number without the option.
        rows: the name of the rows for the help, such as ``links``.
    """
    return click.option(
        "--limit",
        type=click.IntRange(min=1),
        default=default,
        show_default=True,
        help=f"Maximum number of {rows}.",
    )
