"""The demo application, whose key is the same in all installations, and its user."""

from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.catalog.app.accounts import create_account
from pipeline.catalog.app.tables import account, application

DEMO_API_KEY: Final = "8XaBELgH"
DEMO_NAME: Final = "Demo"


@dataclass(frozen=True, slots=True)
class DemoKeys:
    """The keys of the demo application and of its user."""

    application_key: str
    user_key: str = field(repr=False)


def ensure_demo(connection: sa.Connection) -> DemoKeys:
    """Return the keys of the demo application and its user, creating both if they are missing.

    The application's key is the same in all installations; the user's key is random. A disabled
    application stays disabled.
    """
    owner = _demo_owner(connection)
    if owner is None:
        _create_demo(connection)
        owner = _demo_owner(connection)
    if owner is None:
        raise RuntimeError("the demo application was deleted while it was created: try again")
    return DemoKeys(DEMO_API_KEY, owner)


def _demo_owner(connection: sa.Connection) -> str | None:
    """Return the user key of the account that owns the demo application."""
    key: str | None = connection.scalar(
        sa.select(account.c.apikey)
        .join(application, application.c.account_id == account.c.id)
        .where(application.c.apikey == DEMO_API_KEY)
    )
    return key


def _create_demo(connection: sa.Connection) -> None:
    """Insert both rows. Of two concurrent calls, the second one rolls back its account."""
    point = connection.begin_nested()
    owner = create_account(connection, DEMO_NAME)
    inserted = connection.execute(
        insert(application)
        .values(name=DEMO_NAME, version="", apikey=DEMO_API_KEY, account_id=owner.id)
        .on_conflict_do_nothing(index_elements=[application.c.apikey])
        .returning(application.c.id)
    ).first()
    if inserted is None:
        point.rollback()
    else:
        point.commit()
