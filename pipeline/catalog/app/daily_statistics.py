"""Daily statistics of the catalogue (table ``stats``), with the names of the public service."""

from collections.abc import Mapping
from datetime import date
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.catalog.app.tables import account, account_openid, application, audio_format, source
from pipeline.catalog.app.tables import stats as stats_table
from pipeline.catalog.fingerprint.tables import fingerprint, track, track_mbid
from pipeline.catalog.ingest.tables import pruned_submission, submission
from pipeline.runtime.databases import DatabaseName, Databases
from pipeline.runtime.statsd_metrics import Gauge

OR_MORE: Final = 10
"""The lower bound of the last class of a distribution."""


def _rows(table: sa.Table, *conditions: sa.ColumnElement[bool]) -> sa.Select[int]:
    return sa.select(sa.func.count()).select_from(table).where(*conditions)


def _distinct(column: sa.Column[int]) -> sa.Select[int]:
    return sa.select(sa.func.count(sa.distinct(column)))


def _with_pruned(receipts: sa.Select[int]) -> sa.Select[int]:
    """Return the sum of the receipts and of the pruned ones."""
    pruned = sa.select(sa.func.coalesce(sa.func.sum(pruned_submission.c.count), 0))
    return sa.select(sa.cast(receipts.scalar_subquery() + pruned.scalar_subquery(), sa.BigInteger))


# Database and statement of each figure.
_FIGURES: Final[Mapping[Gauge, tuple[DatabaseName, sa.Select[int]]]] = {
    "account_all": ("app", _rows(account, account.c.deleted.is_(None))),
    "account_musicbrainz": ("app", _rows(account, account.c.mbuser.is_not(None))),
    "account_openid": ("app", _distinct(account_openid.c.account_id)),
    "account_active": ("app", _distinct(source.c.account_id)),
    "application_all": ("app", _rows(application)),
    "format_all": ("app", _rows(audio_format)),
    "fingerprint_all": ("fingerprint", _rows(fingerprint)),
    "track_all": ("fingerprint", _rows(track, track.c.new_id.is_(None))),
    "track_mbid_all": ("fingerprint", _rows(track_mbid)),
    "mbid_all": ("fingerprint", _distinct(track_mbid.c.mbid)),
    "submission_all": ("ingest", _with_pruned(_rows(submission))),
    "submission_unhandled": ("ingest", _rows(submission, submission.c.state == "pending")),
}


def _distribution(links: sa.Subquery) -> sa.Select[int, int]:
    """Return the statement that counts rows with 0, 1, 2… links, one row for each class."""
    capped = sa.func.least(links.c.links, OR_MORE)
    return sa.select(capped, sa.func.count()).group_by(capped)


# Disabled links do not count, so an MBID may have none.
_TRACKS_OF_MBIDS: Final = _distribution(
    sa.select(sa.func.count().filter(~track_mbid.c.disabled).label("links"))
    .group_by(track_mbid.c.mbid)
    .subquery()
)

_MBIDS_OF_TRACKS: Final = _distribution(
    sa.select(sa.func.count(track_mbid.c.id).label("links"))
    .select_from(track)
    .outerjoin(track_mbid, (track_mbid.c.track_id == track.c.id) & ~track_mbid.c.disabled)
    .where(track.c.new_id.is_(None))
    .group_by(track.c.id)
    .subquery()
)

# Name pattern of the classes and statement of each distribution.
_DISTRIBUTIONS: Final[Mapping[str, sa.Select[int, int]]] = {
    "mbid.{}tracks": _TRACKS_OF_MBIDS,
    "track.{}mbids": _MBIDS_OF_TRACKS,
}

MEASURES: Final = (*_FIGURES, *_DISTRIBUTIONS)
"""Arguments of `measure`: names of gauges and name patterns of distributions."""


def measure(databases: Databases, name: str) -> dict[str, int]:
    """Return the current figures by the names under which they are stored.

    Args:
        databases: their read-only databases are read.
        name: one of `MEASURES`: a gauge has one figure, a distribution eleven.
    """
    for gauge, (database, statement) in _FIGURES.items():
        if gauge == name:
            with databases.engine(database, read_only=True).connect() as connection:
                return {_stored_name(gauge): connection.execute(statement).scalar_one()}
    with databases.engine("fingerprint", read_only=True).connect() as connection:
        found = dict(connection.execute(_DISTRIBUTIONS[name]).all())
    return {name.format(links): found.get(links, 0) for links in range(OR_MORE + 1)}


def gauges(figures: Mapping[str, int]) -> dict[Gauge, int]:
    """Return the figures that are gauges, by the names of the gauges."""
    return {gauge: figures[name] for gauge in _FIGURES if (name := _stored_name(gauge)) in figures}


def store(databases: Databases, day: date, figures: Mapping[str, int]) -> None:
    """Write the figures of a day, and replace earlier ones of that day."""
    added = insert(stats_table)
    statement = added.on_conflict_do_update(
        index_elements=["name", "date"], set_={"value": added.excluded.value}
    )
    rows = [{"name": name, "date": day, "value": value} for name, value in figures.items()]
    with databases.engine("app").begin() as connection:
        connection.execute(statement, rows)


def _stored_name(gauge: Gauge) -> str:
    subject, _, which = gauge.rpartition("_")
    return f"{subject}.{which}"
