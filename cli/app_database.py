"""Opens the ``app`` database for a command."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from cli.errors import StackError
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings


@contextmanager
def app_database(settings: Settings, component: str) -> Iterator[sa.Connection]:
    """Open a transaction on the ``app`` database.

    Args:
        settings: the settings of the databases.
        component: the name of the command, which PostgreSQL shows.

    Raises:
        StackError: the database is unreachable or not migrated.
    """
    databases = Databases(settings, component=component)
    name = settings.database.name
    try:
        with databases.engine("app").begin() as connection:
            yield connection
    except sa.exc.ProgrammingError as error:
        raise StackError(f"database {name} is not ready: run `acoustid migrate`") from error
    except sa.exc.OperationalError as error:
        raise StackError(f"database {name} is unreachable: check that the stack runs") from error
    finally:
        databases.dispose()
