"""Prepares the command `celery -A tasks flower`: address, limit of tasks, password, umask.

Flower can publish tasks and stop workers, and it shows the names and addresses of the installation.
Its own defaults are all addresses, no password, 100,000 tasks, and permission for all actions.

Flower reads its options from the environment (``FLOWER_*``), its file (``--conf``) and the command
line. Section ``[flower]`` of the settings replaces the defaults below them:

1. Celery adds the options in ``user_options["preload"]`` to each command. The hidden option of
   this module has a callback, which sets the defaults before Flower reads its options.
2. Flower sends Celery's signal ``import_modules`` when it has read its options, before it listens.
   If they have no way to log in, a handler sets a password. Another handler registers the names of
   all tasks: Flower publishes and limits only tasks of its application, and it does not import the
   task modules.

Other commands call these functions too. They do nothing there.
"""

import logging
import os
from typing import Any, Final

import click
from celery import Celery, signals

from pipeline.settings.load import ConfigError, load_settings
from pipeline.settings.sections import FlowerSettings
from tasks import task_names
from tasks.flower.password_file import USER, PasswordFileError, default_path, password_of

APPLICATION: Final = "acoustid"
"""The name of the application in `tasks.application`."""

COMMAND: Final = "flower"

UMASK: Final = 0o077
"""Only Flower's user may read its new files, such as those of the option ``--persistent``."""

logger = logging.getLogger("acoustid.tasks.flower")


def connect(app: Celery) -> None:
    """Add the option to the commands of an application, and connect the signal's handler."""
    app.user_options["preload"].add(
        click.Option(
            ["--acoustid-flower-defaults"],
            is_flag=True,
            hidden=True,
            expose_value=False,
            callback=_set_defaults,
        )
    )
    signals.import_modules.connect(_set_password)
    signals.import_modules.connect(_register_tasks)


def require_application() -> None:
    """End Flower if it runs with another application, which has the default options.

    Without ``-A tasks`` before the command, Celery creates an application that reads
    ``celeryconfig.py`` too, and so Flower would show this installation.

    Raises:
        SystemExit: Flower runs with another application.
    """
    context = _flower_context()
    if context is not None and context.obj.app.main != APPLICATION:
        raise SystemExit("Error: start Flower with `celery -A tasks flower`, -A before the command")


def _set_defaults(context: click.Context, _parameter: click.Parameter, _value: bool) -> None:  # noqa: FBT001 - Click's signature
    """Set the defaults of Flower's options, if the command is Flower."""
    if context.info_name != COMMAND:
        return
    # Only Flower needs these modules, and they take time to import.
    from tornado.options import options  # noqa: PLC0415

    from tasks.flower.metrics_page import require_login_for_metrics  # noqa: PLC0415

    os.umask(UMASK)
    settings = _settings()
    options.address = settings.address
    options.port = settings.port
    options.max_tasks = settings.max_tasks
    options.read_only = settings.read_only
    require_login_for_metrics()


def _set_password(**_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    """Set a password and an address if this is Flower and its options have none.

    Raises:
        SystemExit: the password cannot be stored. Celery logs other exceptions with a traceback.
    """
    if _flower_context() is None:
        return
    from tornado.options import options  # noqa: PLC0415 - as above

    settings = _settings()
    options.address = options.address or settings.address  # empty means all addresses
    logins = [each for each in options.basic_auth or () if each]
    if not logins and not options.auth:
        try:
            logins = [f"{USER}:{password_of(settings)}"]
        except PasswordFileError as error:
            raise SystemExit(f"Error: {error}") from error
        source = "[flower] password" if settings.password else default_path()
        logger.info("log in as %s with the password in %s", USER, source)
    options.basic_auth = logins


def _register_tasks(sender: Celery, **_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    """Register each task by its name if this is Flower, and its application has no task modules."""
    if _flower_context() is not None and not sender.conf.include:
        for name in task_names.ALL:
            sender.task(_run_by_workers, name=name)


def _run_by_workers(*_args: object, **_kwargs: object) -> None:
    """Take the place of a task that only workers run.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("only workers run tasks")


def _flower_context() -> click.Context | None:
    """Return the context of the command if it is Flower; None in any other process."""
    context = click.get_current_context(silent=True)
    return context if context is not None and context.info_name == COMMAND else None


def _settings() -> FlowerSettings:
    try:
        return load_settings().flower
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
