"""The entry point for WSGI servers other than ``acoustid serve``, such as gunicorn.

``api.wsgi:create_application`` is a factory of the application. ``api.wsgi:application`` is the
application itself, which is created at the first access. `open_front_end` is shared with
``acoustid serve``. The server must ignore headers with an underscore in their name, which could
imitate ``X-Forwarded-For``: see ``[api] trusted_proxies`` in ``docs/configuration.md``.
"""

import atexit
from functools import cache
from typing import TYPE_CHECKING

from api.app import create_app
from api.front_end import Dispatch, FrontEnd, create_front_end
from pipeline.catalog.schema_version import log_schemas
from pipeline.runtime.logs import configure_logging
from pipeline.runtime.processes import stay_on_one_core
from pipeline.runtime.sentry import init_sentry
from pipeline.runtime.start_log import log_start
from pipeline.settings.load import load_settings
from tasks import application as celery_application
from tasks import dispatch

if TYPE_CHECKING:
    import falcon


@cache
def create_application() -> "falcon.App[falcon.Request, falcon.Response]":
    """Return the application of this process; ``ACOUSTID_CONFIG`` names its settings file.

    Raises:
        pipeline.settings.load.ConfigError: the settings are not valid.
    """
    front_end = open_front_end()
    atexit.register(front_end.close)
    return create_app(front_end)


def open_front_end() -> FrontEnd:
    """Configure logging and Sentry, and return the resources of this process.

    Raises:
        pipeline.settings.load.ConfigError: the settings are not valid.
    """
    settings = load_settings()
    configure_logging(settings.logging, component="api")
    init_sentry(settings, "api")
    log_start(settings)
    log_schemas(settings)
    # Celery reads its settings now. At the first lookup, their module may be that of newer code.
    _ = celery_application.app.conf.task_protocol
    if settings.api.one_core:  # before any thread starts
        stay_on_one_core()
    senders = Dispatch(
        dispatch.send_lookups,
        dispatch.send_excerpts,
        dispatch.send_background,
        dispatch.send_submissions,
        dispatch.discard_connections,
    )
    return create_front_end(settings, senders)


def __getattr__(name: str) -> object:
    if name == "application":
        return create_application()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
