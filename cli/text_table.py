"""Prints rows as a table or as JSON."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import click

from cli.printable import printable


def show_value(value: object) -> str:
    """Return a value as one line; `printable` replaces control characters."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return printable(text)


def echo_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows below the names of the columns.

    Args:
        columns: the names of the values to print, in this order.
        rows: the values by name.
    """
    cells = [[name.replace("_", " ") for name in columns]]
    cells += [[show_value(row[name]) for name in columns] for row in rows]
    for line in aligned(cells):
        click.echo(line)


def aligned(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> list[str]:
    """Return one line of text for each row, with aligned columns.

    Args:
        rows: the cells of each row.
        right: the columns that are aligned to the right, counted from 0.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def echo_fields(fields: Mapping[str, Any]) -> None:
    """Print names and values, one pair on a line; a list has a line for each item."""
    width = max(map(len, fields))
    for name, value in fields.items():
        items = value if isinstance(value, list) else [value]
        for number, item in enumerate(items or [None]):
            label = "" if number else name.replace("_", " ")
            click.echo(f"{label.ljust(width)}  {show_value(item)}")


def echo_json(value: object) -> None:
    """Print JSON; times are in ISO 8601."""
    click.echo(json.dumps(value, indent=2, default=_iso))


def _iso(value: object) -> str:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)
