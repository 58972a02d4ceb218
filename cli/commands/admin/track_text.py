"""Formats the report of a track as text for a terminal."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

Report = Mapping[str, Any]


def track_text(report: Report) -> str:
    """Return the lines of a report of `pipeline.upkeep.track_report`."""
    lengths = ", ".join(f"{length} s" for length in report["lengths"]) or "no fingerprints"
    parts = [
        [f"track {report['id']}, {report['gid']}", f"lengths: {lengths}"],
        _section("fingerprints", report["fingerprints"], _fingerprint),
        _section("recordings", report["mbids"], _recording),
        _section("texts", report["texts"], _text),
        _section("PUIDs", report["puids"], lambda row: [row["puid"], _sources(row)]),
        _section(
            "foreign ids", report["foreignids"], lambda row: [row["foreignid"], _sources(row)]
        ),
        _section("merged tracks", report["merged_tracks"], _merged),
        _section("history", report["history"], _event),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _section(title: str, rows: Iterable[Report], cells: Callable[[Report], list[str]]) -> list[str]:
    table = [cells(row) for row in rows]
    if not table:
        return []
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [title, *(f"  {_aligned(row, widths)}" for row in table)]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return "  ".join(cells).rstrip()


def _fingerprint(row: Report) -> list[str]:
    audio = [row["format"] or "", f"{row['bitrate']} kbit/s" if row["bitrate"] else ""]
    return [
        f"{row['id']}",
        f"{row['length']} s",
        _sources(row),
        _time(row["created"]),
        " ".join(filter(None, audio)),
    ]


def _recording(row: Report) -> list[str]:
    flags = {
        f"merged into {row['merged_into']}": row["merged_into"] is not None,
        "disabled": row["disabled"],
        "length does not match": row["duration_mismatch"],
    }
    length = "unknown length" if row["length"] is None else f"{row['length']:.0f} s"
    named = ", ".join(flag for flag, is_set in flags.items() if is_set)
    return [row["mbid"], _sources(row), length, named]


def _text(row: Report) -> list[str]:
    fields = (f"{name}={row[name]}" for name in row if name not in ("id", "sources"))
    return [f"{row['id']}", _sources(row), ", ".join(fields)]


def _merged(row: Report) -> list[str]:
    return [f"{row['id']}", row["gid"], _time(row["merged"])]


def _event(row: Report) -> list[str]:
    edit = f"edit {row['edit']}" if "edit" in row else ""
    undone = f"undone by edit {row['undone_by']}" if row.get("undone_by") else ""
    account = row.get("account", {})
    who = account.get("name") or (f"account {account['id']}" if account else "")
    what = row.get("track") or row.get("mbid") or ""
    rest = "; ".join(filter(None, [what, row.get("note", ""), undone]))
    return [_time(row["time"]), row["kind"], edit, who, rest]


def _sources(row: Report) -> str:
    return "1 source" if row["sources"] == 1 else f"{row['sources']} sources"


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(sep=" ", timespec="seconds")
