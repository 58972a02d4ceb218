"""Sources of submissions and audio formats, which imports refer to by id."""

from collections.abc import Collection, Iterable

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.catalog.app.tables import audio_format, source
from pipeline.catalog.bulk_statements import array_rows, insert_missing, is_one_of

Submitter = tuple[int, int, str | None]  # application id, account id, application version


def source_ids(connection: sa.Connection, submitters: Iterable[Submitter]) -> dict[Submitter, int]:
    """Return the source ids of submitters, inserting new ones; the caller commits.

    As in the public service, a missing version and an empty one are equal.
    """
    wanted = set(submitters)
    known = _known_sources(connection, wanted)
    if missing := wanted - known.keys():
        names = ("application_id", "account_id", "version")
        rows = [dict(zip(names, each, strict=True)) for each in sorted(missing, key=repr)]
        connection.execute(insert(source).on_conflict_do_nothing(), rows)
        known |= _known_sources(connection, missing)
    return known


def format_ids(connection: sa.Connection, names: Iterable[str]) -> dict[str, int]:
    """Return the ids of audio formats by name, inserting new ones; the caller commits."""
    wanted = set(names)
    known = _known_formats(connection, wanted)
    if missing := sorted(wanted - known.keys()):
        insert_missing(connection, audio_format, [{"name": name} for name in missing], "name")
        known |= _known_formats(connection, missing)
    return known


def _known_sources(
    connection: sa.Connection, submitters: Collection[Submitter]
) -> dict[Submitter, int]:
    wanted = array_rows(
        "wanted",
        {
            "application_id": (sa.Integer, [application for application, _, _ in submitters]),
            "account_id": (sa.Integer, [account for _, account, _ in submitters]),
            "version": (sa.Text, [version for _, _, version in submitters]),
        },
    )
    statement = sa.select(
        wanted.c.application_id, wanted.c.account_id, wanted.c.version, source.c.id
    ).join_from(
        wanted,
        source,
        (source.c.application_id == wanted.c.application_id)
        & (source.c.account_id == wanted.c.account_id)
        & (sa.func.coalesce(source.c.version, "") == sa.func.coalesce(wanted.c.version, "")),
    )
    found = connection.execute(statement)
    return {(application, account, version): row for application, account, version, row in found}


def _known_formats(connection: sa.Connection, names: Collection[str]) -> dict[str, int]:
    if not names:
        return {}
    statement = sa.select(audio_format.c.name, audio_format.c.id).where(
        is_one_of(audio_format.c.name, names)
    )
    return dict(connection.execute(statement).all())
