"""Periodic tasks: apply packets of MusicBrainz to the copy, measure how far behind it is."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import psycopg2
import structlog
from celery.exceptions import SoftTimeLimitExceeded
from redis import RedisError

from pipeline.catalog.musicbrainz.replication.errors import CopyBusyError, ReplicationError
from pipeline.catalog.musicbrainz.replication.follow import follow, open_source
from pipeline.catalog.musicbrainz.replication.position import read_position
from pipeline.catalog.musicbrainz.replication.sources import DownloadLimits
from pipeline.runtime.databases import DATABASE_UNUSABLE, limit_statements
from pipeline.runtime.links.deadline import ends_within
from tasks import task_names
from tasks.celery import app
from tasks.redis_state import catalogue_generation, musicbrainz_following
from tasks.stage_task import StageTask
from tasks.worker_resources import WorkerResources, worker_resources

logger = structlog.get_logger("acoustid.tasks.periodic.musicbrainz_following")

LAST_START: Final = 6.0
"""Seconds of a run after which no packet is begun. Imports wait for the same worker."""

RUN_LIMIT: Final = 16.0
"""Maximum seconds of a run. Celery's time limit of a task is 20 s."""

STATEMENT_TIMEOUT: Final = 2.0
"""Maximum time in seconds of the statement of a measurement."""

_DOWNLOADS: Final = DownloadLimits(connect=3.0, reply=5.0, total=8.0, attempts=1)
_TOO_SLOW: Final = (
    f"the next packet could not be applied within {RUN_LIMIT:g} s: check the PostgreSQL of the "
    "database musicbrainz, and run `acoustid musicbrainz follow --once`, which has no limit"
)

_READS_ONLY: Final = (
    "the user of [database_musicbrainz] may only read the copy: run `acoustid musicbrainz follow` "
    "as the owner of its tables"
)
_NO_RIGHT: Final = "42501"  # SQLSTATE insufficient_privilege


@app.task(name=task_names.FOLLOW_MUSICBRAINZ, base=StageTask)
def follow_musicbrainz(*, continues: bool = False) -> int:
    """Apply the next packets of MusicBrainz; return their number.

    A run that has no time for all packets publishes another one, so that submissions are imported
    between them. The lock of the copy and the number of the last packet make a second run harmless.

    Args:
        continues: this run goes on where another one has stopped.
    """
    resources = worker_resources()
    if continues:
        musicbrainz_following.next_run_began(resources.redis)
    if not resources.settings.musicbrainz.replication_source:
        return 0
    return follow_once(resources)


def follow_once(resources: WorkerResources) -> int:
    """Do the work of `follow_musicbrainz`, with the resources of a worker."""
    deadline = time.monotonic() + LAST_START
    applied = 0
    problem = ""
    try:
        for applied in _apply(resources, deadline):  # noqa: B007 - the number after an error, too
            pass
    except CopyBusyError:
        logger.info("MusicBrainz is not followed while a dump is loaded or a packet is applied")
        return applied
    except ReplicationError as error:
        problem = str(error)
    except (SoftTimeLimitExceeded, psycopg2.Error, *DATABASE_UNUSABLE) as error:
        logger.warning("a packet of MusicBrainz could not be applied", error=error)
        problem = _reason(error)
    except OSError as error:
        problem = f"a packet cannot be read or stored: {error.strerror or type(error).__name__}"
    if problem:
        logger.error("MusicBrainz cannot be followed", reason=problem)
    musicbrainz_following.store_problem(resources.redis, problem)
    if not problem and time.monotonic() >= deadline:
        _go_on(resources)
    return applied


def _apply(resources: WorkerResources, deadline: float) -> Iterator[int]:
    """Apply packets; yield the number of applied ones after each."""
    options = resources.settings.musicbrainz
    source = open_source(options.replication_source or "", options.replication_token, _DOWNLOADS)
    with ends_within(RUN_LIMIT):
        engine = resources.databases.engine("musicbrainz")
        for number, packet in enumerate(follow(engine, source, deadline), start=1):
            with suppress(RedisError):  # without Redis, answers are cached for a second at most
                catalogue_generation.renew(resources.redis)
            logger.info(
                "packet of MusicBrainz applied",
                packet=packet.sequence,
                replicated=packet.replicated.isoformat(),
                rows=packet.changed,
            )
            yield number


def _reason(error: Exception) -> str:
    """Return the text for an error of PostgreSQL or of a time limit."""
    original = getattr(error, "orig", error)
    if getattr(original, "pgcode", None) == _NO_RIGHT:
        return _READS_ONLY
    return _TOO_SLOW


def _go_on(resources: WorkerResources) -> None:
    if musicbrainz_following.claim_next_run(resources.redis):
        interval = resources.settings.musicbrainz.replication_interval
        follow_musicbrainz.apply_async(kwargs={"continues": True}, expires=interval)


@app.task(name="maintenance.measure_musicbrainz", base=StageTask)
def measure_musicbrainz() -> float | None:
    """Measure how far the copy is behind MusicBrainz; return the seconds, None if not known."""
    return measure(worker_resources())


def measure(resources: WorkerResources) -> float | None:
    """Do the work of `measure_musicbrainz`, with the resources of a worker."""
    position = None
    with (
        suppress(*DATABASE_UNUSABLE),  # the health check reports it
        ends_within(STATEMENT_TIMEOUT),
        resources.databases.engine("musicbrainz", read_only=True).connect() as connection,
    ):
        limit_statements(connection, STATEMENT_TIMEOUT)
        position = read_position(connection)
    if position is None:
        return None
    resources.metrics.musicbrainz_replication(position.sequence, position.lag)
    return position.lag
