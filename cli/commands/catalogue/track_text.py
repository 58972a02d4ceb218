"""Prints the report of a track as tables for a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from cli.text_table import echo_fields, echo_table

Report = Mapping[str, Any]


def echo_track(report: Report) -> None:
    """Print a report of `pipeline.upkeep.track_report`, without empty sections."""
    lengths = ", ".join(f"{length} s" for length in report["lengths"])
    echo_fields({"id": report["id"], "gid": report["gid"], "lengths": lengths})
    _echo_section(
        "fingerprints",
        ("id", "length", "sources", "created", "format", "bitrate"),
        report["fingerprints"],
    )
    _echo_section(
        "recordings",
        ("mbid", "sources", "length", "disabled", "merged_into", "duration_mismatch"),
        report["mbids"],
    )
    _echo_section("texts", ("id", "sources", "text"), map(_text, report["texts"]))
    _echo_section("PUIDs", ("puid", "sources"), report["puids"])
    _echo_section("foreign ids", ("foreignid", "sources"), report["foreignids"])
    _echo_section("merged tracks", ("id", "gid", "redirected"), report["merged_tracks"])
    _echo_section(
        "history",
        ("time", "kind", "edit", "account", "note", "changed", "undone_by"),
        map(_event, report["history"]),
    )


def _echo_section(title: str, columns: Sequence[str], rows: Iterable[Report]) -> None:
    shown = list(rows)
    if shown:
        click.echo(f"\n{title}:")
        echo_table(columns, shown)


def _text(row: Report) -> Report:
    fields = (f"{name}={row[name]}" for name in row if name not in ("id", "sources"))
    return {"id": row["id"], "sources": row["sources"], "text": ", ".join(fields)}


def _event(row: Report) -> Report:
    """Return an event with all columns."""
    account = row.get("account") or {}
    return {
        "time": row["time"],
        "kind": row["kind"],
        "edit": row.get("edit"),
        "account": account.get("name") or account.get("id"),
        "note": row.get("note"),
        "changed": ", ".join(row["changed"]),
        "undone_by": row.get("undone_by"),
    }
