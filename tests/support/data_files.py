"""Writes data files as the public service publishes them, for tests of the import."""

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np

CREATED: Final = "2026-01-02T03:04:05.678901+00:00"
DAY: Final = "2026-01-02"
WORDS: Final = 948

Row = Mapping[str, Any]


def gid(number: int) -> str:
    """Return the gid of a track."""
    return str(UUID(int=0xA000_4000_8000_0000_0000 << 48 | number))


def mbid(number: int) -> str:
    """Return an MBID."""
    return str(UUID(int=0xB000_4000_8000_0000_0000 << 48 | number))


def words(number: int, count: int = WORDS) -> list[int]:
    """Return the words of a fingerprint as signed numbers, all different."""
    random = np.random.default_rng(number)
    return random.integers(-(2**31), 2**31, count).tolist()  # type: ignore[no-any-return]


def write_lines(folder: Path, table: str, lines: Iterable[str | bytes], day: str = DAY) -> Path:
    """Write a file of lines, in the folders of its year and month; return its path."""
    path = folder / f"{day[:4]}/{day[:7]}/{day}-{table}-update.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wb", compresslevel=1) as file:
        for line in lines:
            file.write((line if isinstance(line, bytes) else line.encode()) + b"\n")
    return path


def write_rows(folder: Path, table: str, rows: Iterable[Row], day: str = DAY) -> Path:
    """Write a file of rows; return its path."""
    return write_lines(folder, table, (json.dumps(row, separators=(",", ":")) for row in rows), day)


def write_catalogue(folder: Path, fingerprints: int, *, count: int = WORDS) -> None:
    """Write the files of a catalogue. Every fingerprint has its own track.

    A track has a link to an MBID; every third one has one to a text, too.

    Args:
        folder: the folder of the files.
        fingerprints: the number of fingerprints.
        count: the number of words of a fingerprint.
    """
    numbers = range(1, fingerprints + 1)
    write_rows(
        folder, "track", ({"id": each, "gid": gid(each), "created": CREATED} for each in numbers)
    )
    write_rows(
        folder,
        "meta",
        (
            {"id": each, "track": f"Title {each}", "year": 1999, "created": CREATED}
            for each in numbers[::3]
        ),
    )
    write_rows(folder, "track_fingerprint", (track_fingerprint(each) for each in numbers))
    write_rows(folder, "fingerprint", (fingerprint(each, count=count) for each in numbers))
    write_rows(folder, "track_mbid", (track_mbid(each) for each in numbers))
    write_rows(
        folder,
        "track_meta",
        (
            {
                "id": each,
                "track_id": each,
                "meta_id": each,
                "submission_count": 2,
                "created": CREATED,
            }
            for each in numbers[::3]
        ),
    )


def track_fingerprint(number: int, **fields: object) -> dict[str, Any]:
    """Return a row that links a fingerprint to the track of its number."""
    row = {"id": number, "track_id": number, "fingerprint_id": number, "submission_count": 1}
    return row | {"created": CREATED} | fields


def fingerprint(number: int, *, count: int = WORDS, **fields: object) -> dict[str, Any]:
    """Return the row of a fingerprint."""
    row = {"id": number, "fingerprint": words(number, count), "length": 100 + number % 200}
    return row | {"created": CREATED} | fields


def track_mbid(number: int, **fields: object) -> dict[str, Any]:
    """Return a row that links a track to the MBID of its number."""
    row = {"id": number, "track_id": number, "mbid": mbid(number), "submission_count": 3}
    return row | {"created": CREATED} | fields
