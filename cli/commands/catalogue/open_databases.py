"""Opens the databases for a command that reads or changes tracks."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from cli.error_messages import explain, needs_migration
from cli.errors import StackError
from cli.stack.selection import settings_for_command
from pipeline.catalog.edits.errors import EditRefusedError
from pipeline.catalog.fingerprint.track_merge import MergeRefusedError
from pipeline.runtime.databases import Databases
from tasks.redis_state import catalogue_generation


@contextmanager
def open_databases(data_dir: Path, component: str) -> Iterator[Databases]:
    """Open the databases of a stack.

    Args:
        data_dir: the data directory of the stack.
        component: the role of this process, see `Databases`.

    Raises:
        StackError: a database is unreachable or not migrated, or a merge or an edit is refused.
    """
    databases = Databases(settings_for_command(data_dir), component=component)
    try:
        yield databases
    except (MergeRefusedError, EditRefusedError) as error:
        raise StackError(str(error)) from error
    except sa.exc.DBAPIError as error:
        is_lasting = error.statement is None or needs_migration(error)
        advice = "" if is_lasting else "; run the command again"
        raise StackError(f"{explain(error)}{advice}") from error
    finally:
        databases.dispose()


@contextmanager
def changing_catalogue(data_dir: Path, component: str) -> Iterator[Databases]:
    """Open the databases of a stack for a change, after which cached answers are not used.

    Raises:
        StackError: see `open_databases`.
    """
    with open_databases(data_dir, component) as databases:
        yield databases
        catalogue_generation.renew_at(settings_for_command(data_dir).redis)
