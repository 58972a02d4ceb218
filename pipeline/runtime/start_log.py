"""Logs the files that a process uses at its start, and the reason if Redis cannot be used."""

from contextlib import closing

import redis
import structlog

from pipeline.runtime.links.connection_errors import explain_redis
from pipeline.runtime.links.connection_limits import REDIS_STATUS, ConnectionLimits
from pipeline.runtime.redis_client import connect
from pipeline.settings.load import configuration_file
from pipeline.settings.paths import full_path
from pipeline.settings.sections import RedisSettings, Settings

logger = structlog.get_logger("acoustid.start")


def log_start(settings: Settings) -> None:
    """Log the paths of settings, index, store and sketch index, and why Redis cannot be used.

    A process starts without Redis and connects to it later.
    """
    file = configuration_file()
    logger.info(
        "files of this process",
        settings=str(full_path(file)) if file else "none",
        index=settings.fingerprint_index.location(),
        store=settings.fingerprint_store.location(),
        sketch=settings.fingerprint_index.sketch_location(),
    )
    problem = redis_problem(settings.redis)
    if problem:
        logger.error("Redis cannot be used", reason=problem)


def redis_problem(settings: RedisSettings, limits: ConnectionLimits = REDIS_STATUS) -> str | None:
    """Return why Redis cannot be used; None if it replies.

    Args:
        settings: the settings of the connection.
        limits: the time limits of the connection.
    """
    with closing(connect(settings, limits=limits)) as client:
        try:
            client.ping()
        except redis.RedisError as error:
            return explain_redis(error, settings)
    return None
