"""Runs the index server: one process that has the indexes, and one that looks after it."""

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Final

import structlog
from granian import Granian
from granian.constants import HTTPModes, Interfaces

from api.fpindex.app import App, create_app
from api.fpindex.indexes import Indexes, IndexMissingError
from api.fpindex.legacy_server import LegacyServer
from api.fpindex.metrics import Metrics
from api.fpindex.state import StateDamagedError
from pipeline.index import FingerprintIndexError, files
from pipeline.index.warm_up import warm_up
from pipeline.runtime.logs import configure_logging, granian_log_config
from pipeline.runtime.settings import LoggingSettings

THREADS: Final = 32
"""Requests worked on at a time. A search holds a processor, an update waits for the disk."""

LOCK_NAME: Final = ".lock"  # no index can have this name
LOCK_PATIENCE: Final = 10.0  # seconds; what a killed server left of itself is gone sooner
STOP_PATIENCE: Final = 30  # seconds that requests under way have when the server is stopped

logger = structlog.get_logger("acoustid.fpindex.server")


class DirectoryInUseError(Exception):
    """Another server has the folder; the text names it."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How to run an index server.

    Attributes:
        directory: where the indexes live.
        host: address to listen on.
        port: for HTTP.
        legacy_port: for the line protocol, 0 for none.
        legacy_index: the index that the line protocol serves.
        load_concurrency: indexes to open at a time, 0 for all.
        logging: levels and form of the log.
    """

    directory: Path
    host: str
    port: int
    legacy_port: int
    legacy_index: str
    load_concurrency: int
    logging: LoggingSettings


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Have the folder to ourselves, and to the processes that are forked meanwhile.

    Raises:
        DirectoryInUseError: another server has it, and keeps it.
        OSError: it cannot be created or written.
    """
    files.make_directory(directory)
    deadline = time.monotonic() + LOCK_PATIENCE
    while (lock := files.lock(directory / LOCK_NAME)) is None:
        if time.monotonic() > deadline:
            raise DirectoryInUseError(f"{directory} is in use by another server: stop it first")
        time.sleep(0.02)
    try:
        yield
    finally:
        files.unlock(lock)


def serve(options: ServerOptions) -> None:
    """Serve until SIGTERM or SIGINT; the folder is `exclusive` to this process.

    Raises:
        SystemExit: with status 1 where the indexes cannot be opened; the log says why.
    """
    configure_logging(options.logging, component="fpindex")
    Granian(
        "api.fpindex",
        address=options.host,
        port=options.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=1,
        blocking_threads=THREADS,
        workers_kill_timeout=STOP_PATIENCE,
        log_dictconfig=granian_log_config(),
    ).serve(target_loader=partial(_open, options), wrap_loader=False)


def _open(options: ServerOptions) -> App:
    """Return the application, in the process that granian has made for it."""
    _end_with_parent()
    configure_logging(options.logging, component="fpindex")
    warm_up()
    metrics = Metrics()
    try:
        indexes = Indexes(options.directory, metrics, load_concurrency=options.load_concurrency)
        # A child of multiprocessing runs no atexit functions, but these.
        Finalize(None, indexes.close, exitpriority=10)
        if options.legacy_port:
            address = options.host, options.legacy_port
            legacy = LegacyServer(indexes, options.legacy_index, address)
            Finalize(None, legacy.close, exitpriority=20)
    except (FingerprintIndexError, StateDamagedError, IndexMissingError, OSError) as error:
        logger.error("the server cannot start", reason=str(error))  # noqa: TRY400
        sys.exit(1)
    return create_app(indexes, metrics)


def _end_with_parent() -> None:
    """End this process when the one that looks after it is killed: a successor needs the folder."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
