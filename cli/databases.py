"""Opens a database for a command."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from cli.errors import StackError
from pipeline.runtime.databases import DatabaseName, Databases
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
        StackError: the database is unreachable or not migrated.
    """
    databases = Databases(settings, component=component)
    shown = databases.engine(name).url.database
    try:
        with databases.engine(name).begin() as connection:
            yield connection
    except sa.exc.ProgrammingError as error:
        raise StackError(f"database {shown} is not ready: run `acoustid migrate`") from error
    except sa.exc.OperationalError as error:
        raise StackError(f"database {shown} is unreachable: check that the stack runs") from error
    finally:
        databases.dispose()
