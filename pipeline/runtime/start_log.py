"""Logs the files that a process uses at its start, and the reason if Redis cannot be used."""

from contextlib import closing

import redis
import structlog

from pipeline.runtime.connection_errors import explain_redis
from pipeline.runtime.redis_client import CONNECT_TIMEOUT, connect
from pipeline.settings.load import configuration_file
from pipeline.settings.paths import full_path
from pipeline.settings.sections import RedisSettings, Settings

logger = structlog.get_logger("acoustid.start")


def log_start(settings: Settings) -> None:
    """Log the paths of settings, index and fingerprint store, and why Redis cannot be used.

    A process starts without Redis and connects to it later.
    """
    file = configuration_file()
    logger.info(
        "files of this process",
        settings=str(full_path(file)) if file else "none",
        index=settings.fingerprint_index.location(),
        store=settings.fingerprint_store.location(),
    )
    problem = redis_problem(settings.redis)
    if problem:
        logger.error("Redis cannot be used", reason=problem)


def redis_problem(settings: RedisSettings, timeout: float = CONNECT_TIMEOUT) -> str | None:
    """Return why Redis cannot be used; None if it replies.

    Args:
        settings: the settings of the connection.
        timeout: seconds for the TLS handshake, and for the reply.
    """
    with closing(connect(settings, timeout=timeout)) as client:
        try:
            client.ping()
        except redis.RedisError as error:
            return explain_redis(error, settings)
    return None
