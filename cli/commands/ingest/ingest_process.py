"""Runs the ingest from NATS in this process: for ever, or until no message waits."""

import asyncio
from functools import partial
from typing import Final

import click

from cli.errors import StackError
from cli.progress import QUIET_INTERVAL, Progress
from nats_bridge.link.connection import connect_once
from nats_bridge.link.link_errors import LinkError
from nats_bridge.process.heartbeat import Heartbeat
from nats_bridge.process.process_state import ProcessState
from nats_bridge.process.resources import COMPONENT, Resources, open_resources
from nats_bridge.process.service import serve
from nats_bridge.streams.preparation import SetupError
from pipeline.catalog.schema_version import log_schemas
from pipeline.runtime.logs import configure_logging
from pipeline.runtime.periodic_thread import PeriodicThread
from pipeline.runtime.sentry import init_sentry
from pipeline.runtime.start_log import log_start
from pipeline.settings.sections import NatsSettings, Settings
from tasks import application as celery_application

CONNECTED_IN: Final = 10.0
"""Seconds for the first connection of a command that ends."""


def run(settings: Settings) -> None:
    """Take submissions until SIGTERM or SIGINT."""
    configure_logging(settings.logging, component=COMPONENT)
    init_sentry(settings, COMPONENT)
    log_start(settings)
    log_schemas(settings)
    resources, state = _open(settings), ProcessState()
    heartbeat = Heartbeat(resources, state)
    try:
        serve(resources, state)
    finally:
        heartbeat.close()
        resources.close()


def drain(settings: Settings) -> bool:
    """Take the messages that wait, and print their numbers; return whether all were taken.

    Raises:
        StackError: no server is usable, or the stream or the consumer does not fit.
    """
    quiet = settings.logging.model_copy(update={"level": "WARNING", "levels": {}})
    configure_logging(quiet, component=COMPONENT)
    require_server(settings.nats)
    resources, state = _open(settings), ProcessState()
    heartbeat = Heartbeat(resources, state)
    progress = Progress(partial(click.echo, err=True), QUIET_INTERVAL)
    telling = PeriodicThread(
        "progress", lambda: progress.tell(lambda: describe_progress(state)), 0.5
    )
    is_empty = False
    try:
        is_empty = serve(resources, state, until_empty=True)
    except SetupError as error:
        raise StackError(str(error)) from error
    finally:
        telling.close(1.0)
        heartbeat.close(forget=True)
        resources.close()
    found = state.report()
    click.echo(
        f"{found.accepted} submissions accepted, {found.refused} refused, of {found.received} "
        f"messages ({found.redelivered} redelivered)"
    )
    if found.announcement_problem:
        click.echo(f"Announcements wait: {found.announcement_problem}", err=True)
    return is_empty


def require_server(settings: NatsSettings) -> None:
    """Check that a server is usable, so that a command which ends does not wait for ever.

    Raises:
        StackError: none is; the text has the reason.
    """

    async def check() -> None:
        client = await connect_once(settings, name=COMPONENT, seconds=CONNECTED_IN)
        await client.close()

    try:
        asyncio.run(check())
    except LinkError as error:
        raise StackError(str(error)) from error


def _open(settings: Settings) -> Resources:
    # Celery reads its settings now. At the first message, their module may be that of newer code.
    _ = celery_application.app.conf.task_protocol
    return open_resources(settings)


def describe_progress(state: ProcessState) -> str:
    """Return the numbers of the messages, and why this process waits."""
    found = state.report()
    waiting = "?" if found.waiting is None else f"{found.waiting:,}"
    problem = found.problem or found.setup_problem or found.announcement_problem
    reason = f"; {problem}" if problem else ""
    return f"{found.received:,} messages received, {waiting} wait{reason}"
