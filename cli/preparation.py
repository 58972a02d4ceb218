"""What the databases need before the processes of a stack can work on them."""

from collections.abc import Callable

from cli.prepared import Demo, Prepared
from pipeline.catalog.accounts import ensure_demo
from pipeline.catalog.migrate import create_missing, upgrade_all
from pipeline.runtime.databases import Databases
from pipeline.runtime.settings import Settings


def prepare(settings: Settings, progress: Callable[[str], None]) -> Prepared:
    """Create missing databases, their tables, and the demo keys.

    What is there already stays as it is, so that this may be run at every start.

    Args:
        settings: where the databases are, and whether the demo keys are on.
        progress: called with one line for each step.
    """
    progress("creating missing databases")
    create_missing(settings)
    progress("running migrations")
    upgrade_all(settings)
    demo = None
    if settings.features.demo_key:
        progress("making the demo keys")
        demo = _make_demo(settings)
    return Prepared(demo)


def _make_demo(settings: Settings) -> Demo:
    databases = Databases(settings, component="migrate")
    try:
        with databases.engine("app").begin() as connection:
            keys = ensure_demo(connection)
    finally:
        databases.dispose()
    return Demo(keys.application_key, keys.user_key)
