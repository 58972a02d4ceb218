"""The rows that a new service makes itself, which those of an import replace.

They are the demo application with its account, and the service's own account. They are replaced
only while nothing refers to them.
"""

from typing import Final

import sqlalchemy as sa

from pipeline.catalog.app.accounts import find_bot_account
from pipeline.catalog.app.keys.demo_application import DEMO_API_KEY
from pipeline.catalog.app.tables import account, application, source
from pipeline.catalog.fingerprint.tables import edit
from pipeline.catalog.ingest.tables import submission, submission_result, track_mbid_change
from pipeline.runtime.databases import Databases

_OF_APPLICATIONS: Final = (submission.c.application_id, submission_result.c.application_id)
_OF_ACCOUNTS: Final = (
    submission.c.account_id,
    submission_result.c.account_id,
    track_mbid_change.c.account_id,
)


def replaceable_rows(
    databases: Databases, connection: sa.Connection
) -> tuple[list[int], list[int]]:
    """Return the ids of the service's own applications and accounts that nothing refers to.

    Args:
        databases: the ingest and the fingerprint database may refer to them.
        connection: a connection to the app database, in a transaction.
    """
    rows = connection.execute(
        sa.select(application.c.id, application.c.account_id).where(
            application.c.apikey == DEMO_API_KEY
        )
    ).all()
    applications = [row.id for row in rows]
    accounts = [row.account_id for row in rows]
    bot = find_bot_account(connection)
    if bot is not None:
        accounts.append(bot)
    applications = _unused(databases, applications, _OF_APPLICATIONS)
    used = connection.execute(
        sa.select(source.c.application_id, source.c.account_id).where(
            source.c.application_id.in_(applications) | source.c.account_id.in_(accounts)
        )
    ).all()
    applications = [each for each in applications if each not in {row[0] for row in used}]
    accounts = _unused(databases, accounts, _OF_ACCOUNTS)
    owned = connection.execute(
        sa.select(application.c.account_id).where(application.c.id.not_in(applications))
    )
    kept = {*owned.scalars(), *(row[1] for row in used), *_editors(databases)}
    return applications, [each for each in accounts if each not in kept]


def _unused(databases: Databases, ids: list[int], columns: tuple[sa.Column[int], ...]) -> list[int]:
    with databases.engine("ingest").connect() as connection:
        used = {
            found
            for column in columns
            for found in connection.execute(
                sa.select(column).where(column.in_(ids)).distinct()
            ).scalars()
        }
    return [each for each in ids if each not in used]


def _editors(databases: Databases) -> set[int]:
    with databases.engine("fingerprint").connect() as connection:
        return set(connection.execute(sa.select(edit.c.account_id).distinct()).scalars())


def delete_rows(connection: sa.Connection, applications: list[int], accounts: list[int]) -> None:
    """Delete applications, then accounts."""
    connection.execute(sa.delete(application).where(application.c.id.in_(applications)))
    connection.execute(sa.delete(account).where(account.c.id.in_(accounts)))
