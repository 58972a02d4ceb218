"""The daily figures of the catalogue, as the public service keeps them."""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.catalog.app_tables import account, account_openid, application, audio_format, source
from pipeline.catalog.app_tables import stats as stats_table
from pipeline.catalog.fingerprint_tables import fingerprint, track, track_mbid
from pipeline.catalog.ingest_tables import submission
from pipeline.runtime.databases import DatabaseName, Databases
from pipeline.runtime.metrics import Gauge


def _rows(table: sa.Table, *conditions: sa.ColumnElement[bool]) -> sa.Select[int]:
    return sa.select(sa.func.count()).select_from(table).where(*conditions)


def _distinct(column: sa.Column[int]) -> sa.Select[int]:
    return sa.select(sa.func.count(sa.distinct(column)))


# Each figure: the database that knows it, and the statement that asks.
_FIGURES: Final[Mapping[Gauge, tuple[DatabaseName, sa.Select[int]]]] = {
    "account_all": ("app", _rows(account)),
    "account_musicbrainz": ("app", _rows(account, account.c.mbuser.is_not(None))),
    "account_openid": ("app", _distinct(account_openid.c.account_id)),
    "account_active": ("app", _distinct(source.c.account_id)),
    "application_all": ("app", _rows(application)),
    "format_all": ("app", _rows(audio_format)),
    "fingerprint_all": ("fingerprint", _rows(fingerprint)),
    "track_all": ("fingerprint", _rows(track, track.c.new_id.is_(None))),
    "track_mbid_all": ("fingerprint", _rows(track_mbid)),
    "mbid_all": ("fingerprint", _distinct(track_mbid.c.mbid)),
    "submission_all": ("ingest", _rows(submission)),
    "submission_unhandled": ("ingest", _rows(submission, submission.c.state == "pending")),
}


def measure(databases: Databases) -> dict[Gauge, int]:
    """Return every figure as it is now."""
    figures: dict[Gauge, int] = {}
    for name, (database, statement) in _FIGURES.items():
        with databases.engine(database, read_only=True).connect() as connection:
            figures[name] = connection.execute(statement).scalar_one()
    return figures


def store(databases: Databases, figures: Mapping[Gauge, int]) -> None:
    """Write the figures of today, in place of those that were written earlier in the day."""
    rows = [{"name": name.replace("_", ".", 1), "value": value} for name, value in figures.items()]
    added = insert(stats_table)
    statement = added.on_conflict_do_update(
        index_elements=["name", "date"], set_={"value": added.excluded.value}
    )
    with databases.engine("app").begin() as connection:
        connection.execute(statement, rows)
