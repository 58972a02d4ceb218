"""The outputs of ``acoustid identify``: text, JSON lines and CSV. `docs/commands.md` has them."""

import base64
import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cli.commands.client.audio.identification import Identified
from cli.commands.client.entries.search_mode import WHOLE, SearchMode
from cli.commands.client.lookup_results import describe
from cli.commands.client.messages import print_result
from cli.commands.client.recording_names import album_of, artist_of, merged_recordings
from cli.printable import printable, printable_path

COLUMNS: Final = (
    "file",
    "duration",
    "score",
    "acoustid",
    "mbid",
    "title",
    "artist",
    "album",
    "error",
)

MATCH_COLUMNS: Final = {
    "match_offset": "offset",
    "match_duration": "duration",
    "matched": "matched",
}
"""The columns after the others of lookups whose results may have `match`, and its fields."""

BEST: Final = ("score", "acoustid", "mbid", "title", "artist", "album")
"""The columns of the best recording in an object of JSON."""

Show = Callable[[Identified], None]


def show_text(file: Identified, mode: SearchMode = WHOLE) -> None:
    """Print the results of a file for a reader; nothing for a file with an error."""
    if file.error is None:
        print_result(f"{printable_path(file.path)}:\n{describe(file.results, mode)}")


def show_json(file: Identified) -> None:
    """Print a file as one JSON object on a line."""
    print_result(
        json.dumps(
            {
                **_named(file.path),
                "duration": file.duration,
                "results": file.results,
                "best": _best(file),
                "error": file.error,
            }
        )
    )


def _named(path: Path) -> Mapping[str, str]:
    """Return the name of a file as JSON; the bytes, too, if they are not valid UTF-8."""
    name = os.fsencode(path)
    try:
        return {"file": name.decode()}
    except UnicodeDecodeError:
        return {
            "file": name.decode(errors="replace"),
            "file_base64": base64.b64encode(name).decode(),
        }


def columns_of(mode: SearchMode) -> Sequence[str]:
    """Return the names of the columns."""
    return (*COLUMNS, *MATCH_COLUMNS) if mode.has_matches else COLUMNS


def show_csv_header(mode: SearchMode = WHOLE) -> None:
    """Print the names of the columns."""
    _show_csv_row(columns_of(mode))


def show_csv(file: Identified, mode: SearchMode = WHOLE) -> None:
    """Print a file as CSV: one row for each recording of each result. Equal rows are one."""
    columns = columns_of(mode)
    for cells in dict.fromkeys(tuple(map(row.get, columns)) for row in _rows(file)):
        _show_csv_row(cells)


def _best(file: Identified) -> Mapping[str, Any] | None:
    """Return the names of the first recording of the first result; None without a result."""
    if not file.results:
        return None
    first = next(_rows(file))
    match = file.results[0].get("match")
    best = {name: first.get(name) or None for name in BEST}
    return best if match is None else {**best, "match": match}


def _rows(file: Identified) -> Iterator[Mapping[str, Any]]:
    """Yield the values of the columns for each recording of each result of a file."""
    common = {"file": str(file.path), "duration": file.duration, "error": file.error}
    if not file.results:
        yield common
    for result in file.results:
        match = result.get("match", {})
        track = {
            **common,
            "score": result.get("score"),
            "acoustid": _cell(result["id"]),
            **{column: match.get(name) for column, name in MATCH_COLUMNS.items()},
        }
        for recording in merged_recordings(result) or [{}]:
            yield {
                **track,
                "mbid": _cell(recording.get("id")),
                "title": _cell(recording.get("title")),
                "artist": _cell(artist_of(recording)),
                "album": _cell(album_of(recording)),
            }


def _cell(value: object) -> str | None:
    """Return a text of the server without control characters; line ends stay."""
    return None if value is None else printable(value, keep="\r\n")


def _show_csv_row(cells: object) -> None:
    """Print a row as RFC 4180 describes it. File names are printed as the bytes that they are."""
    text = io.StringIO()
    csv.writer(text).writerow(cells)  # type: ignore[arg-type]
    row = text.getvalue().removesuffix("\n")  # `print_result` adds it
    print_result(row.encode("utf-8", "surrogateescape"))
