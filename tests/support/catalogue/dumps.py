"""Dumps of the catalogue, to compare its states before and after an edit."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from pipeline.catalog import migrate
from pipeline.runtime.databases import Databases

_LOGS = ("edit", "fpindex_changelog", "deleted_row", "imported_day")
_TIMES = ("created", "updated", "handled_at")


def dump_catalogue(databases: Databases) -> Mapping[str, list[tuple[Any, ...]]]:
    """Return all rows of the fingerprint and ingest databases, without logs and times."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for name in ("fingerprint", "ingest"):
        with databases.engine(name).connect() as connection:  # type: ignore[arg-type]
            for table in migrate.METADATA[name].sorted_tables:
                if table.name not in _LOGS:
                    columns = [column for column in table.c if column.name not in _TIMES]
                    rows = connection.execute(sa.select(*columns).order_by(*table.primary_key))
                    found[table.name] = [tuple(row) for row in rows]
    return found
