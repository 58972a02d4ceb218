"""Prepares databases, index, fingerprint store and sketch index for the processes of a stack."""

from collections.abc import Callable, Sequence
from contextlib import suppress

import sqlalchemy as sa

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.demo_keys import Demo, Prepared
from cli.stack.stack_record import StackRecord
from pipeline.catalog.app.keys.demo_application import ensure_demo
from pipeline.catalog.fingerprint.changelog import ForeignIndexError
from pipeline.catalog.migrate import create_missing, upgrade_all
from pipeline.catalog.schema_version import NewerSchemaError
from pipeline.excerpts.sketch_folders import sketch_folder
from pipeline.fingerprint_store import (
    FingerprintStoreError,
    StoreLocked,
    open_store,
    open_store_writer,
)
from pipeline.fingerprint_store.store_manifest import STORE_FORMAT
from pipeline.following.followers import may_fail
from pipeline.following.index_copy import foreign, is_own_index
from pipeline.following.open_index import IndexBusy, open_index, open_local_updater, open_updater
from pipeline.following.problems import SKETCH, STORE, describe
from pipeline.following.store_copy import check_same_database
from pipeline.following.update_index import rebuild_index
from pipeline.index import FingerprintIndexError, IndexCorrupt, open_reader
from pipeline.index.index_manifest import INDEX_FORMAT
from pipeline.lookups.condition import Condition
from pipeline.lookups.trusted_index import TrustedIndex
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from pipeline.storage.check import refused_files
from pipeline.storage.errors import StorageCorrupt


def prepare(settings: Settings, progress: Callable[[str], None]) -> Prepared:
    """Create missing databases, tables and demo keys; repair the index and the other copies.

    Existing data is not changed, so each start calls this function.

    Args:
        settings: the settings.
        progress: called with one line of text for each step.

    Raises:
        StackError: a newer version made a database; or the index has a file with an unknown name,
            which is not deleted.
    """
    progress("creating missing databases")
    create_missing(settings)
    progress("running migrations")
    try:
        upgrade_all(settings)
    except NewerSchemaError as error:
        raise StackError(str(error)) from error
    _repair_index(settings, progress)
    _repair_store(settings, progress)
    _repair_sketch(settings, progress)
    demo = None
    if settings.features.demo_key:
        progress("creating the demo keys")
        demo = _create_demo_keys(settings)
    return Prepared(demo)


def _repair_index(settings: Settings, progress: Callable[[str], None]) -> None:
    """Rebuild the index if it is damaged, has an earlier format or is of another database.

    An index of another database is rebuilt only if a stack owns both, index and database. Otherwise
    one of two settings may be wrong.
    """
    databases = Databases(settings, component="migrate")
    try:
        problem = _index_problem(settings, databases)
        if not problem:
            return
        progress(f"rebuilding the index: {problem}")
        with open_updater(settings.fingerprint_index, databases, clear_damaged=True) as updater:
            rebuild_index(updater, databases, progress=lambda _count: None)
    except IndexCorrupt as error:  # a file that does not belong to an index
        raise StackError(str(error)) from error
    except IndexBusy:
        progress("another process is rebuilding it")
    finally:
        databases.dispose()


def _index_problem(settings: Settings, databases: Databases) -> str:
    """Return why the index must be rebuilt; an empty text if it need not."""
    try:
        if settings.fingerprint_index.protocol == "local":
            _refuse(refused_files(INDEX_FORMAT, settings.fingerprint_index.path))
        with open_index(settings.fingerprint_index) as index:
            if not owns_index_and_database(settings):
                return ""
            found = TrustedIndex(lambda: index, databases, logs_changes=False).condition()
    except IndexCorrupt as error:
        return f"{error.path} {error.problem}"
    if found is Condition.FOREIGN:
        return "it belongs to another database, or to a later state of this one"
    return ""


def _refuse(errors: Sequence[StorageCorrupt]) -> None:
    for error in errors:
        raise error


def owns_index_and_database(settings: Settings) -> bool:
    """Return whether index and fingerprint database belong to one stack of `acoustid up`.

    Then the index is a copy of this database, and nothing else can be lost by a rebuild.
    """
    index, database = settings.fingerprint_index, settings.database_fingerprint
    data = DataDir.at(index.path.parent)
    if index.protocol != "local" or data.index != index.path.resolve():
        return False
    record = StackRecord.read(data)
    used = (database.port, database.password.get_secret_value())
    return record is not None and used == (record.postgres_port, record.postgres_password)


def _repair_store(settings: Settings, progress: Callable[[str], None]) -> None:
    """Empty a fingerprint store that is damaged or of another database."""
    path = settings.fingerprint_store.path
    if not settings.fingerprint_store.enabled:
        return

    def check(connection: sa.Connection) -> None:
        _refuse(refused_files(STORE_FORMAT, path))
        check_same_database(open_store(path), connection)

    def empty() -> None:
        with suppress(StoreLocked), open_store_writer(path, clear_damaged=True) as writer:
            writer.rebuild([], 0, 0)

    _repair_follower(settings, STORE, check, empty, progress)


def _repair_sketch(settings: Settings, progress: Callable[[str], None]) -> None:
    """Empty a sketch index that is damaged or of another database."""
    options = settings.fingerprint_index
    if not options.sketch_rate:
        return
    folder = sketch_folder(options.sketch_path, options.sketch_rate)

    def check(connection: sa.Connection) -> None:
        _refuse(refused_files(INDEX_FORMAT, folder))
        with open_reader(folder) as reader:
            state = reader.changelog_state()
        if state and not is_own_index(connection, state, lambda _sample: False):
            raise foreign(SKETCH, state.position)

    def empty() -> None:
        with suppress(IndexBusy), open_local_updater(folder, clear_damaged=True) as writer:
            writer.rebuild([], 0, metadata={})

    _repair_follower(settings, SKETCH, check, empty, progress)


def _repair_follower(
    settings: Settings,
    noun: str,
    check: Callable[[sa.Connection], None],
    empty: Callable[[], None],
    progress: Callable[[str], None],
) -> None:
    """Empty a copy that fails a check. A worker fills it again.

    If that is not possible, the service starts without the copy, and the worker tells why.

    Args:
        settings: the settings.
        noun: its name.
        check: takes a connection to the fingerprint database; raises an error of the copy.
        empty: empties it, unless another process writes it.
        progress: see `prepare`.
    """

    def not_emptied(_noun: str, error: Exception) -> None:
        progress(f"starting without the {noun}: {describe(error)}")

    databases = Databases(settings, component="migrate")
    try:
        with databases.engine("fingerprint").connect() as connection:
            check(connection)
    except (FingerprintStoreError, FingerprintIndexError, ForeignIndexError) as error:
        progress(f"emptying the {noun}, a worker fills it again: {error}")
        with may_fail(noun, not_emptied):  # such as a file that does not belong to it
            empty()
    except OSError as error:  # its files may be intact
        not_emptied(noun, error)
    finally:
        databases.dispose()


def _create_demo_keys(settings: Settings) -> Demo:
    databases = Databases(settings, component="migrate")
    try:
        with databases.engine("app").begin() as connection:
            keys = ensure_demo(connection)
    finally:
        databases.dispose()
    return Demo(keys.application_key, keys.user_key)
