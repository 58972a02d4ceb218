"""Applications and accounts: who may ask, and who may submit.

Every function works on a connection to the ``app`` database; the caller commits. What comes back
are plain frozen values, which a cache may share between threads and which tell no key.
"""

import base64
import secrets
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.catalog.advisory_locks import lock_bot_account
from pipeline.catalog.app.tables import account, application

DEMO_API_KEY: Final = "8XaBELgH"
DEMO_NAME: Final = "Demo"

BOT_NAME: Final = "acoustid_bot"
"""Name of the account that the service itself changes links with, as in the public service."""

KEY_LENGTH: Final = 10


@dataclass(frozen=True, slots=True)
class Application:
    """The holder of an application key.

    Attributes:
        rate_limit: requests per second, 0 for no limit; None where the configured limit applies.
    """

    id: int
    name: str
    rate_limit: float | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """The holder of a user key."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class NewKey:
    """What was just created, and the key that opens it."""

    id: int
    name: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DemoKeys:
    """The keys of the demo application and of its user."""

    application_key: str
    user_key: str = field(repr=False)


def generate_key() -> str:
    """Return a new random key of ten letters and digits, about 59 bits."""
    text = base64.b64encode(secrets.token_bytes(20), altchars=b"//").decode("ascii")
    return text.replace("/", "").replace("=", "")[:KEY_LENGTH]


def find_application(connection: sa.Connection, key: str) -> Application | None:
    """Return the active application that holds a key; the demo application is one of them."""
    query = sa.select(application.c.id, application.c.name, application.c.rate_limit)
    row = connection.execute(
        query.where(application.c.apikey == key, application.c.active.is_(True))
    ).first()
    return None if row is None else Application(row.id, row.name, row.rate_limit)


def find_account(connection: sa.Connection, key: str) -> Account | None:
    """Return the account that holds a key."""
    row = connection.execute(
        sa.select(account.c.id, account.c.name).where(account.c.apikey == key)
    ).first()
    return None if row is None else Account(row.id, row.name)


def find_account_by_id(connection: sa.Connection, account_id: int) -> Account | None:
    """Return the account with an id, which stays until the transaction ends."""
    statement = sa.select(account.c.id, account.c.name).where(account.c.id == account_id)
    row = connection.execute(statement.with_for_update(read=True, key_share=True)).first()
    return None if row is None else Account(row.id, row.name)


def create_account(
    connection: sa.Connection,
    name: str,
    *,
    application_id: int | None = None,
    application_version: str | None = None,
    created_from: str | None = None,
) -> NewKey:
    """Insert an account with a new key.

    Args:
        connection: to the ``app`` database.
        name: for people; need not be unique.
        application_id: the application through which the account was made.
        application_version: what that application called its version.
        created_from: the address of the client, IPv4 or IPv6.
    """
    key = generate_key()
    values = {
        "name": name,
        "apikey": key,
        "application_id": application_id,
        "application_version": application_version,
        "created_from": created_from,
    }
    row = connection.execute(sa.insert(account).values(values).returning(account.c.id)).one()
    return NewKey(row.id, name, key)


def create_application(
    connection: sa.Connection,
    name: str,
    *,
    version: str = "",
    rate_limit: float | None = None,
    account_id: int | None = None,
    key: str | None = None,
) -> NewKey:
    """Insert an application.

    Args:
        connection: to the ``app`` database.
        name: for people; need not be unique.
        version: what the application calls its version.
        rate_limit: requests per second, 0 for no limit; None for the configured limit.
        account_id: who owns it; without one an account of the same name is made.
        key: its key, for a client that has one built in; without one a new key is made.

    Raises:
        ValueError: the rate limit is negative or no finite number.
        sqlalchemy.exc.IntegrityError: another application has the key.
    """
    if rate_limit is not None and not 0 <= rate_limit < float("inf"):
        raise ValueError(f"rate_limit must be 0 (no limit) or more, not {rate_limit}")
    key = key or generate_key()
    values = {
        "name": name,
        "version": version,
        "apikey": key,
        "rate_limit": rate_limit,
        "account_id": create_account(connection, name).id if account_id is None else account_id,
    }
    row = connection.execute(
        sa.insert(application).values(values).returning(application.c.id)
    ).one()
    return NewKey(row.id, name, key)


def set_application_active(
    connection: sa.Connection, application_id: int, *, active: bool, account_id: int | None = None
) -> tuple[Application, str] | None:
    """Enable or disable an application; return it with its key, None where there is none.

    Args:
        connection: to the ``app`` database.
        application_id: which one.
        active: whether its key is valid from now on.
        account_id: whose it must be; anybody's without.
    """
    statement = sa.update(application).where(application.c.id == application_id)
    if account_id is not None:
        statement = statement.where(application.c.account_id == account_id)
    row = connection.execute(
        statement.values(active=active).returning(
            application.c.id, application.c.name, application.c.rate_limit, application.c.apikey
        )
    ).first()
    return None if row is None else (Application(row.id, row.name, row.rate_limit), row.apikey)


def ensure_demo(connection: sa.Connection) -> DemoKeys:
    """Return the keys of the demo application and its user, creating both where they are missing.

    The application's key is the same everywhere; the user's is random, one for each installation.
    An application that was disabled stays so.
    """
    owner = _demo_owner(connection)
    if owner is None:
        _create_demo(connection)
        owner = _demo_owner(connection)
    if owner is None:  # the row was deleted under our hands: nothing to return
        raise RuntimeError("the demo application vanished while it was created: run this again")
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
    """Insert both rows; of two who do it at once, the second undoes its own account."""
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


def ensure_musicbrainz_account(connection: sa.Connection, mbuser: str) -> tuple[Account, str]:
    """Return the account of a MusicBrainz user with its key, creating it where it is missing.

    When two connections do so at once, one creates the account and both return it.

    Args:
        connection: to the ``app`` database; the caller commits.
        mbuser: the name at MusicBrainz. Names that differ in case only are the same user.
    """
    found = _find_musicbrainz_account(connection, mbuser)
    if found is None:
        values = {"name": mbuser, "mbuser": mbuser, "apikey": generate_key()}
        # Two unique indexes hold the name, and a conflict with either one counts.
        connection.execute(insert(account).values(values).on_conflict_do_nothing())
        found = _find_musicbrainz_account(connection, mbuser)
    if found is None:
        raise RuntimeError("the account was deleted while it was created: try again")
    return found


def _find_musicbrainz_account(connection: sa.Connection, mbuser: str) -> tuple[Account, str] | None:
    statement = sa.select(account.c.id, account.c.name, account.c.apikey).where(
        sa.func.lower(account.c.mbuser) == sa.func.lower(mbuser)
    )
    row = connection.execute(statement).first()
    return None if row is None else (Account(row.id, row.name), row.apikey)


def ensure_bot_account(connection: sa.Connection) -> int:
    """Return the id of the service's own account, creating it where it is missing.

    Args:
        connection: to the ``app`` database; the caller commits.
    """
    known = (
        sa.select(account.c.id).where(account.c.name == BOT_NAME).order_by(account.c.id).limit(1)
    )
    found = connection.execute(known).scalar()
    if found is None:
        lock_bot_account(connection)
        found = connection.execute(known).scalar()
    return create_account(connection, BOT_NAME).id if found is None else int(found)
