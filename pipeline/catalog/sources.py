"""Who submits and in which format: the small tables of the app database that imports refer to."""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.catalog.app_tables import audio_format, source

Submitter = tuple[int, int, str | None]  # application id, account id, application version


def source_ids(connection: sa.Connection, submitters: Iterable[Submitter]) -> dict[Submitter, int]:
    """Return the ids of submitters, adding those that are new; the caller commits."""
    return {submitter: _source_id(connection, *submitter) for submitter in set(submitters)}


def format_ids(connection: sa.Connection, names: Iterable[str]) -> dict[str, int]:
    """Return the ids of audio formats by name, adding those that are new; the caller commits."""
    wanted = set(names)
    if not wanted:
        return {}
    rows = [{"name": name} for name in sorted(wanted)]
    connection.execute(insert(audio_format).on_conflict_do_nothing(), rows)
    statement = sa.select(audio_format.c.name, audio_format.c.id).where(
        audio_format.c.name == sa.any_(sa.cast(list(wanted), sa.ARRAY(sa.Text)))
    )
    return dict(connection.execute(statement).all())


def _source_id(
    connection: sa.Connection, application_id: int, account_id: int, version: str | None
) -> int:
    known = sa.select(source.c.id).where(
        source.c.application_id == application_id,
        source.c.account_id == account_id,
        source.c.version.is_not_distinct_from(version),
    )
    found = connection.execute(known).scalar()
    if found is None:
        connection.execute(
            insert(source)
            .values(application_id=application_id, account_id=account_id, version=version)
            .on_conflict_do_nothing()
        )
        found = connection.execute(known).scalar_one()
    return int(found)
