"""Reads a MusicBrainz database and reports what lookups can use of it."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa

from pipeline.catalog.musicbrainz import metadata
from pipeline.catalog.musicbrainz import tables as mb
from pipeline.catalog.musicbrainz.dump.dump_format import OPTIONAL, SCHEMA_SEQUENCE
from pipeline.catalog.musicbrainz.mirror.columns import FoundColumns
from pipeline.catalog.musicbrainz.mirror.indexes import missing_indexes
from pipeline.catalog.musicbrainz.mirror.reads import READS
from pipeline.catalog.musicbrainz.tables import SCHEMA
from pipeline.catalog.schema_version import is_mirror
from pipeline.runtime.databases import DATABASE_UNREACHABLE, limit_statements

SAMPLE: Final = 20
"""Recordings of the sample lookup."""

SLOW: Final = 2.0
"""Seconds after which a lookup gives up a statement."""

OLD: Final = timedelta(days=2)
"""Age of the last replication packet that is reported. MusicBrainz makes one each hour."""

_STATEMENT_LIMIT: Final = 30.0  # seconds

_ROWS: Final = sa.text(
    """
    SELECT relname, reltuples::bigint FROM pg_class
     WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = :schema)
       AND relkind IN ('r', 'p')
    """
)


@dataclass(slots=True)
class MirrorReport:
    """What a check has found.

    Attributes:
        is_usable: whether lookups can use the database.
        facts: names and values of what was read, in the order of the report.
        defects: what makes the database unusable.
        lacks: what else it lacks, with the effect.
        indexes: statements that create missing indexes.
        rows: PostgreSQL's estimate of the number of rows by table; -1 if there is none.
    """

    facts: dict[str, str] = field(default_factory=dict)
    defects: list[str] = field(default_factory=list)
    lacks: list[str] = field(default_factory=list)
    indexes: list[str] = field(default_factory=list)
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_usable(self) -> bool:
        """Whether lookups can use the database."""
        return not self.defects


def check_mirror(connection: sa.Connection) -> MirrorReport:
    """Check a MusicBrainz database without changing it.

    Args:
        connection: a connection in a transaction that is read only.

    Raises:
        sqlalchemy.exc.DBAPIError: the database is unreachable.
    """
    limit_statements(connection, _STATEMENT_LIMIT)
    report = MirrorReport()
    version = connection.scalar(sa.text("SELECT current_setting('server_version')"))
    report.facts["server"] = f"PostgreSQL {version}"
    report.facts["database"] = (
        "a mirror of MusicBrainz"
        if is_mirror(connection, "musicbrainz")
        else "not a mirror, but a copy of this service; or it has no tables"
    )
    _check_columns(connection, report)
    if report.defects:
        return report
    rows = connection.execute(_ROWS, {"schema": SCHEMA}).all()
    report.rows = {row[0]: row[1] for row in rows}
    report.indexes = missing_indexes(connection)
    _check_content(connection, report)
    _check_replication(connection, report)
    _try_lookup(connection, report)
    return report


def _check_columns(connection: sa.Connection, report: MirrorReport) -> None:
    found = FoundColumns(connection)
    reported: set[str] = set()
    for read in READS:
        columns = sorted(read.columns(), key=lambda each: (each.table.name, each.name))
        problems = dict.fromkeys(filter(None, map(found.problem, columns)))
        new = [problem for problem in problems if problem not in reported]
        reported.update(new)
        target = report.defects if read.is_required else report.lacks
        target.extend(f"{problem}: {read.effect}" for problem in new)


def _check_content(connection: sa.Connection, report: MirrorReport) -> None:
    if metadata.is_empty(connection):
        report.defects.append(
            f"{SCHEMA}.recording has no rows: lookups have no metadata; load a dump"
        )
    report.lacks.extend(
        f"{SCHEMA}.{name} has no rows: {effect}"
        for name, effect in _empty_tables(connection, report.rows)
    )


def _empty_tables(connection: sa.Connection, rows: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield optional tables without rows that have an effect, and the effect."""
    for name, effect in OPTIONAL.items():
        # The estimate is 0 or -1 for a table that PostgreSQL has not analyzed yet.
        if name not in rows or rows[name] > 0 or name == "replication_control":
            continue
        if effect.startswith("no effect"):
            continue
        try:
            with connection.begin_nested():
                query = sa.select(sa.literal(1)).select_from(mb.METADATA.tables[f"{SCHEMA}.{name}"])
                if connection.execute(query.limit(1)).first() is None:
                    yield name, effect
        except sa.exc.ProgrammingError:  # reported already: the user may not read it
            continue


def _check_replication(connection: sa.Connection, report: MirrorReport) -> None:
    """Report schema, packet and age of the content."""
    try:
        with connection.begin_nested():
            row = connection.execute(sa.select(mb.replication_control).limit(1)).first()
    except sa.exc.ProgrammingError:  # a missing column is reported already
        return
    if row is None:
        report.lacks.append(
            f"{SCHEMA}.replication_control has no rows: {OPTIONAL['replication_control']}"
        )
        return
    report.facts["schema sequence"] = str(row.current_schema_sequence)
    if row.current_schema_sequence != SCHEMA_SEQUENCE:
        report.lacks.append(
            f"its schema has version {row.current_schema_sequence}, and this service was made for "
            f"version {SCHEMA_SEQUENCE}: all columns that it reads were found"
        )
    _report_age(row.current_replication_sequence, row.last_replication_date, report)


def _report_age(packet: int | None, date: datetime | None, report: MirrorReport) -> None:
    if date is None:
        report.lacks.append(
            f"the date of its last replication packet is unknown: {OPTIONAL['replication_control']}"
        )
        return
    age = datetime.now(UTC) - date
    named = "a dump" if packet is None else f"packet {packet}"
    report.facts["content"] = f"{named} of {date.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    report.facts["age"] = _duration(age)
    if age > OLD:
        report.lacks.append(
            f"its content is {age.days} days old: newer recordings have no metadata, and their "
            "MBIDs are not followed; run the replication of the mirror, or of the service's own "
            "copy `acoustid musicbrainz follow`"
        )


def _duration(age: timedelta) -> str:
    """Return an age in hours, from two days on in days."""
    if age < timedelta(days=2):
        return f"{age / timedelta(hours=1):.1f} hours"
    return f"{age.days} days"


def _try_lookup(connection: sa.Connection, report: MirrorReport) -> None:
    """Read the metadata of some recordings as a lookup does, and report the time."""
    gids = connection.scalars(sa.select(mb.recording.c.gid).limit(SAMPLE)).all()
    mbids = {str(gid) for gid in gids}
    degraded = bool(report.lacks)
    wanted = metadata.Wanted(
        mbids,
        mbids,
        isrcs=True,
        events=True,
        credited={"recording", "track", "release", "release_group"},
    )
    started = time.monotonic()
    try:
        with connection.begin_nested():
            metadata.load(connection, wanted)
    except sa.exc.ProgrammingError:
        if not degraded:
            raise
        return  # the reason is reported already
    except DATABASE_UNREACHABLE:
        report.defects.append(
            f"a lookup of {len(mbids)} recordings took over {_STATEMENT_LIMIT:g} s: create the "
            "missing indexes"
        )
        return
    taken = time.monotonic() - started
    report.facts["sample lookup"] = f"{len(mbids)} recordings in {1000 * taken:.0f} ms"
    if taken > SLOW:
        report.lacks.append(
            f"a lookup of {len(mbids)} recordings took {taken:.1f} s, and a lookup gives up a "
            f"statement after {SLOW:g} s: create the missing indexes, or run ANALYZE"
        )
