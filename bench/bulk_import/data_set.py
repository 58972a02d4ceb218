"""Writes the content of a benchmark's catalogue as data files of the public service.

They have no manifest and no fields of our own, as the files of the public service.
"""

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.catalogue.content import BenchCatalogue
from pipeline.data_files.file_names import DataFileName
from pipeline.data_files.tables import (
    FINGERPRINT,
    META,
    TRACK,
    TRACK_FINGERPRINT,
    TRACK_MBID,
    TRACK_META,
    DataTable,
)

FIRST_DAY: Final = date(2020, 1, 1)
PER_DAY: Final = 10_000
"""Fingerprints of one day."""

COMPRESSION: Final = 1
"""The level of gzip; the time to read the files is about the same for all levels."""

TABLES: Final = (TRACK, META, FINGERPRINT, TRACK_FINGERPRINT, TRACK_MBID, TRACK_META)

Row = Mapping[str, Any]


def write_data_set(catalogue: BenchCatalogue, folder: Path, wrote: Callable[[int], object]) -> None:
    """Write a catalogue.

    Ids are the numbers of the content, from 1, as those that `bench.catalogue.load` gives.

    Args:
        catalogue: the content.
        folder: an empty folder.
        wrote: is called with the number of fingerprints after each day.
    """
    for first in range(0, catalogue.fingerprints, PER_DAY):
        numbers = range(first, min(first + PER_DAY, catalogue.fingerprints))
        _write_day(catalogue, numbers, FIRST_DAY + timedelta(first // PER_DAY), folder)
        wrote(numbers.stop)


def _write_day(catalogue: BenchCatalogue, numbers: range, day: date, folder: Path) -> None:
    with ExitStack() as stack:
        files = {}
        for table in TABLES:
            path = folder / str(DataFileName(day, table))
            path.parent.mkdir(parents=True, exist_ok=True)
            files[table] = stack.enter_context(gzip.open(path, "wb", COMPRESSION))
        for number in numbers:
            for table, row in _rows(catalogue, number, f"{day}T12:00:00+00:00"):
                files[table].write(json.dumps(row, separators=(",", ":")).encode() + b"\n")


def _rows(catalogue: BenchCatalogue, number: int, created: str) -> Iterator[tuple[DataTable, Row]]:
    """Yield the rows of a fingerprint, and those of its track if it is the first one of it."""
    track, key = catalogue.track(number) + 1, number + 1
    time = {"created": created}
    words = catalogue.words(number).view(np.int32).tolist()
    yield FINGERPRINT, {"id": key, "fingerprint": words, "length": catalogue.length(number), **time}
    yield (
        TRACK_FINGERPRINT,
        {"id": key, "track_id": track, "fingerprint_id": key, "submission_count": 1, **time},
    )
    if track != key:
        return
    yield TRACK, {"id": key, "gid": str(catalogue.track_gid(number)), **time}
    mbid = catalogue.mbid(number)
    link = {"id": key, "track_id": key, "submission_count": 1, **time}
    if mbid is not None:
        yield TRACK_MBID, {**link, "mbid": str(mbid)}
    else:
        yield META, {"id": key, "track": f"Title {key}", "artist": f"Artist {key // 12}", **time}
        yield TRACK_META, {**link, "meta_id": key}
