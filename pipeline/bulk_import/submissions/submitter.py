"""The account and the application to which imported lines belong.

Without keys they are an account and an application of the name `NAME`, which the first import
creates. So an operator sees which links come from imports, and can disable or count them as those
of any other application.
"""

from typing import Final

import sqlalchemy as sa

from pipeline.bulk_import.submissions.progress import Submitter
from pipeline.catalog.app.accounts import create_application, find_account, find_application
from pipeline.catalog.app.tables import account, application

NAME: Final = "acoustid import"
"""The name of the account and the application of imports without keys."""


class UnknownKeyError(ValueError):
    """A key is unknown or disabled. The text names the option, not the key."""


def find_submitter(
    connection: sa.Connection, application_key: str | None, user_key: str | None
) -> Submitter:
    """Return the submitter with these keys.

    Args:
        connection: a connection to the app database; the caller commits.
        application_key: the key of an application; None for that of imports.
        user_key: the key of an account; None for the owner of the application.

    Raises:
        UnknownKeyError: no active application or account has the key.
    """
    if application_key is None:
        application_id, account_id = _of_imports(connection)
    else:
        found = find_application(connection, application_key)
        if found is None:
            raise UnknownKeyError("--application: no active application has this key")
        application_id, account_id = found.id, _owner(connection, found.id)
    if user_key is not None:
        user = find_account(connection, user_key)
        if user is None:
            raise UnknownKeyError("--user: no active account has this key")
        account_id = user.id
    return Submitter(application_id, account_id)


def _of_imports(connection: sa.Connection) -> tuple[int, int]:
    """Return the ids of the application and the account of imports; create both if missing.

    Only one import runs at a time, so no two of them create both.
    """
    statement = (
        sa.select(application.c.id, account.c.id)
        .join(account, application.c.account_id == account.c.id)
        .where(application.c.name == NAME, account.c.name == NAME, account.c.active)
        .order_by(application.c.id)
        .limit(1)
    )
    row = connection.execute(statement).first()
    if row is None:
        created = create_application(connection, NAME)
        return created.id, _owner(connection, created.id)
    return row[0], row[1]


def _owner(connection: sa.Connection, application_id: int) -> int:
    statement = sa.select(application.c.account_id).where(application.c.id == application_id)
    owner: int = connection.execute(statement).scalar_one()
    return owner
