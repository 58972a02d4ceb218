"""Logs the files that a process uses at its start, and the reason if Redis cannot be used."""

import structlog

from pipeline.runtime.connection_errors import redis_problem
from pipeline.settings.load import configuration_file
from pipeline.settings.paths import full_path
from pipeline.settings.sections import Settings

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
