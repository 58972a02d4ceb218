"""Runs the index server: the indexes of one folder, behind the HTTP server."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from http_server.limits import Limits
from http_server.listening import listen
from http_server.server import ServerOptions as HttpOptions
from http_server.server import run
from index_server.http.app import create_app
from index_server.http.exchange import MAX_BODY
from index_server.indexes import Indexes, IndexMissingError
from index_server.line_protocol.server import LegacyServer
from index_server.metrics import Metrics
from index_server.state import StateDamagedError
from pipeline.index import FingerprintIndexError
from pipeline.index.warm_up import warm_up
from pipeline.runtime.logs import configure_logging
from pipeline.settings.sections import LoggingSettings
from pipeline.storage import files

THREADS: Final = 32
"""Requests worked on at a time. A search holds a processor, an update waits for the disk."""

LIMITS: Final = Limits(
    connections=1024,
    half_read_bodies=128,
    half_read_bodies_per_client=32,
    buffered_bytes=256 * 2**20,
    buffered_bytes_per_client=64 * 2**20,
    body_bytes=MAX_BODY,
    body_time=120.0,
)
"""Clients are front ends and importers: fewer than those of the web service, with larger bodies."""

NAMES: Final[Mapping[int, str]] = {503: "TooManyRequests", 408: "RequestTimeout"}
"""The names of errors that are told without the application."""

LOCK_NAME: Final = ".lock"  # no index can have this name
LOCK_PATIENCE: Final = 10.0  # seconds; what a killed server left of itself is gone sooner
STOP_PATIENCE: Final = 30.0  # seconds that requests under way have when the server is stopped

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
    """Have the folder to ourselves.

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
        OSError: it cannot listen.
    """
    configure_logging(options.logging, component="fpindex")
    listener = listen(options.host, options.port)
    warm_up()
    metrics = Metrics()
    with ExitStack() as opened:
        indexes = _open(options, metrics, opened)
        http = HttpOptions(LIMITS, THREADS, describe_error, stop_time=STOP_PATIENCE)
        run(create_app(indexes, metrics), listener, http)


def describe_error(status: int, message: str) -> bytes:
    """Return the body of an error that the HTTP server tells by itself: a name, as all have."""
    del message
    return json.dumps({"error": NAMES.get(status, "BadRequest")}).encode("ascii")


def _open(options: ServerOptions, metrics: Metrics, opened: ExitStack) -> Indexes:
    """Return the indexes; what is opened is closed with `opened`."""
    try:
        indexes = Indexes(options.directory, metrics, load_concurrency=options.load_concurrency)
        opened.callback(indexes.close)
        if options.legacy_port:
            address = options.host, options.legacy_port
            opened.callback(LegacyServer(indexes, options.legacy_index, address).close)
    except (FingerprintIndexError, StateDamagedError, IndexMissingError, OSError) as error:
        logger.error("the server cannot start", reason=str(error))  # noqa: TRY400
        sys.exit(1)
    return indexes
