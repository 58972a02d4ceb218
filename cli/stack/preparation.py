"""What a stack's databases, index and fingerprint store need before its processes can work."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cli.stack.data_directory import write_private
from pipeline.catalog.app.accounts import ensure_demo
from pipeline.catalog.migrate import create_missing, upgrade_all
from pipeline.fingerprint_store import (
    FingerprintStoreError,
    StoreLocked,
    open_store,
    open_store_writer,
)
from pipeline.following.open_index import IndexBusy, open_index, open_updater
from pipeline.following.update_index import rebuild_index
from pipeline.following.update_store import check_own
from pipeline.index import IndexCorrupt
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings


@dataclass(frozen=True, slots=True)
class Demo:
    """Keys that anybody may try.

    Attributes:
        client: the demo application's key.
        user: the demo user's key.
    """

    client: str
    user: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The demo keys, None where they are off."""

    demo: Demo | None = None

    @classmethod
    def load(cls, path: Path) -> "Prepared":
        """Return what `save` wrote; nothing where there is no such file."""
        try:
            found = json.loads(path.read_bytes())
        except FileNotFoundError:
            return cls()
        return cls(Demo(**found["demo"]) if found["demo"] else None)

    def save(self, path: Path) -> None:
        """Write it as JSON, readable by its owner alone."""
        write_private(path, json.dumps(asdict(self)))


def prepare(settings: Settings, progress: Callable[[str], None]) -> Prepared:
    """Create missing databases, their tables, and the demo keys; mend what was built from them.

    What is there already stays as it is, so that this may be run at every start.

    Args:
        settings: where the databases are, and whether the demo keys are on.
        progress: called with one line for each step.
    """
    progress("creating missing databases")
    create_missing(settings)
    progress("running migrations")
    upgrade_all(settings)
    _mend_index(settings, progress)
    _mend_store(settings, progress)
    demo = None
    if settings.features.demo_key:
        progress("making the demo keys")
        demo = _make_demo(settings)
    return Prepared(demo)


def _mend_index(settings: Settings, progress: Callable[[str], None]) -> None:
    """Build the index anew where its files are damaged or those of an earlier version."""
    try:
        open_index(settings.fingerprint_index).close()
    except IndexCorrupt as error:
        progress(f"building the index anew, since {error.path} {error.problem}")
    else:
        return
    databases = Databases(settings, component="migrate")
    try:
        with open_updater(settings.fingerprint_index, databases, clear_damaged=True) as updater:
            rebuild_index(updater, databases, progress=lambda _count: None)
    except IndexBusy:
        progress("another process is at it")
    finally:
        databases.dispose()


def _mend_store(settings: Settings, progress: Callable[[str], None]) -> None:
    """Empty the fingerprint store where it can't be used; then the index worker fills it."""
    path = settings.fingerprint_store.path
    if not settings.fingerprint_store.enabled:
        return
    databases = Databases(settings, component="migrate")
    try:
        with databases.engine("fingerprint").connect() as connection:
            check_own(open_store(path), connection)
    except FingerprintStoreError as error:
        progress(f"emptying the fingerprint store, to be filled again in the background: {error}")
        with suppress(StoreLocked), open_store_writer(path, clear_damaged=True) as writer:
            writer.rebuild([], 0, 0)
    finally:
        databases.dispose()


def _make_demo(settings: Settings) -> Demo:
    databases = Databases(settings, component="migrate")
    try:
        with databases.engine("app").begin() as connection:
            keys = ensure_demo(connection)
    finally:
        databases.dispose()
    return Demo(keys.application_key, keys.user_key)
