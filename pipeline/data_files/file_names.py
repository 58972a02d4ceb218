"""The names of data files: ``2026/2026-12/2026-12-01-track-update.jsonl.gz``."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from pipeline.data_files.tables import TABLES, DataTable

_NAME: Final = re.compile(
    r"(?:(?P<year>\d{4})/(?P=year)-(?P<month>\d\d)/)?"
    r"(?P<day>\d{4}-\d\d-\d\d)-(?P<table>[a-z_]+-update)\.jsonl\.gz"
)
LOCK_NAME: Final = ".lock"
"""The file in the folder of an export that a running export locks. It stays there, empty."""

_TABLES: Final = {table.name: table for table in TABLES}


@dataclass(frozen=True, slots=True)
class DataFileName:
    """The day and the table of a data file."""

    day: date
    table: DataTable

    def __str__(self) -> str:
        """Return the path below the folder of an export."""
        return f"{self.day:%Y/%Y-%m/%Y-%m-%d}-{self.table.name}.jsonl.gz"


def parse_file_name(path: str) -> DataFileName | None:
    """Return the parts of a path below the folder of an export; None if it is another file.

    The folders of year and month may be missing, as in a folder of downloaded files.
    """
    found = _NAME.fullmatch(path)
    if found is None or found["table"] not in _TABLES:
        return None
    try:
        day = date.fromisoformat(found["day"])
    except ValueError:
        return None
    in_folder = found["year"] is None or (found["year"], found["month"]) == (
        f"{day:%Y}",
        f"{day:%m}",
    )
    return DataFileName(day, _TABLES[found["table"]]) if in_folder else None
