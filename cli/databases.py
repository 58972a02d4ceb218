"""Opens a database for a command."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from cli.error_messages import explain_database, needs_migration
from cli.errors import StackError
from pipeline.runtime.databases import (
    DATABASE_UNREACHABLE,
    DATABASE_UNUSABLE,
    DatabaseName,
    Databases,
)
from pipeline.settings.sections import Settings


@contextmanager
def open_database(
    settings: Settings, name: DatabaseName = "app", *, component: str
) -> Iterator[sa.Connection]:
    """Open a transaction on a database.

    Args:
        settings: the settings of the databases.
        name: the database.
        component: the name of the command, which PostgreSQL shows.

    Raises:
        StackError: the database is unreachable or not migrated, or refuses a statement.
    """
    databases = Databases(settings, component=component)
    shown = databases.engine(name).url.database
    try:
        with databases.engine(name).begin() as connection:
            yield connection
    except sa.exc.IntegrityError:  # the caller has a message
        raise
    except DATABASE_UNUSABLE as error:
        reason = explain_database(error)
        if needs_migration(error):
            text = f"is not ready: run `acoustid migrate` ({reason})"
        elif isinstance(error, DATABASE_UNREACHABLE) and not isinstance(
            error, sa.exc.InternalError
        ):
            text = f"is unreachable: check that the stack runs ({reason})"
        else:
            text = f"cannot be used: {reason}"
        raise StackError(f"database {shown} {text}") from error
    finally:
        databases.dispose()
