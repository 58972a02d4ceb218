"""The accounts of MusicBrainz users: one for each, however its name is written."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.catalog.app.accounts import Account, generate_key
from pipeline.catalog.app.tables import account


def ensure_account(connection: sa.Connection, mbuser: str) -> tuple[Account, str]:
    """Return the account of a MusicBrainz user with its key, creating it where it is missing.

    Of two who do so at once, one creates the account and both return it.

    Args:
        connection: to the ``app`` database; the caller commits.
        mbuser: the name at MusicBrainz; one that differs in case alone is the same user.
    """
    found = _find(connection, mbuser)
    if found is None:
        _create(connection, mbuser)
        found = _find(connection, mbuser)
    if found is None:  # the row was deleted under our hands: nothing to return
        raise RuntimeError("the account vanished while it was created: ask again")
    return found


def _find(connection: sa.Connection, mbuser: str) -> tuple[Account, str] | None:
    statement = sa.select(account.c.id, account.c.name, account.c.apikey).where(
        sa.func.lower(account.c.mbuser) == sa.func.lower(mbuser)
    )
    row = connection.execute(statement).first()
    return None if row is None else (Account(row.id, row.name), row.apikey)


def _create(connection: sa.Connection, mbuser: str) -> None:
    """Insert the account, unless somebody else is faster; then wait until it is there."""
    values = {"name": mbuser, "mbuser": mbuser, "apikey": generate_key()}
    # No index is named: whichever of the two on the name notices the other first is right.
    connection.execute(insert(account).values(values).on_conflict_do_nothing())
