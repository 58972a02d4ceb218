"""Runs the index server: the indexes of one folder over HTTP and the line protocol."""

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
from http_server.replies import STOPPING
from http_server.server import ServerOptions as HttpOptions
from http_server.server import run
from index_server.errors import UnknownFilesError
from index_server.http.app import create_app
from index_server.http.formats import MAX_BODY
from index_server.line_protocol.server import LineProtocolServer
from index_server.prometheus_metrics import IndexServerMetrics
from index_server.registry import IndexRegistry
from pipeline.index import FingerprintIndexError
from pipeline.index.warm_up import warm_up
from pipeline.runtime.logs import configure_logging
from pipeline.settings.sections import LoggingSettings
from pipeline.storage import files

THREADS: Final = 32
"""Number of concurrent requests. A search uses a core, an update waits for the disk."""

LIMITS: Final = Limits(
    connections=1024,
    half_read_bodies=128,
    half_read_bodies_per_client=32,
    buffered_bytes=256 * 2**20,
    buffered_bytes_per_client=64 * 2**20,
    body_bytes=MAX_BODY,
    body_time=120.0,
)
"""Front ends and importers are few clients with large bodies."""

NAMES: Final[Mapping[int, str]] = {503: "TooManyRequests", 408: "RequestTimeout"}
"""Names of the errors that the HTTP server sends itself, by status."""

LOCK_NAME: Final = ".lock"  # no index can have this name
LOCK_TIMEOUT: Final = 10.0  # seconds; a killed server releases its lock sooner

STOP_TIME: Final = 5.0
"""Maximum time in seconds for open requests after SIGTERM. Docker kills a container after 10 s."""

logger = structlog.get_logger("acoustid.index_server.server")


class DirectoryInUseError(Exception):
    """Another server uses the folder; the text names it."""


@dataclass(frozen=True, slots=True)
class IndexServerOptions:
    """Options of an index server.

    Attributes:
        directory: the folder of the indexes.
        host: the address to listen on.
        port: the port for HTTP.
        line_protocol_port: the port for the line protocol; 0 to disable it.
        line_protocol_index: the name of the index that the line protocol serves.
        load_concurrency: the number of indexes to open at the same time; 0 for all.
        max_postings: maximum number of postings of a search that find fingerprints; None for exact
            searches.
        serve_damaged: serve the intact segments of damaged indexes, without updates.
        logging: the levels and the format of the log.
    """

    directory: Path
    host: str
    port: int
    line_protocol_port: int
    line_protocol_index: str
    load_concurrency: int
    max_postings: int | None
    serve_damaged: bool
    logging: LoggingSettings


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Lock the folder during the block.

    Raises:
        DirectoryInUseError: another server keeps it locked.
        OSError: it cannot be created or written.
    """
    files.make_directory(directory)
    deadline = time.monotonic() + LOCK_TIMEOUT
    while (lock := files.lock(directory / LOCK_NAME)) is None:
        if time.monotonic() > deadline:
            raise DirectoryInUseError(f"{directory} is in use by another server: stop it first")
        time.sleep(0.02)
    try:
        yield
    finally:
        files.unlock(lock)


def serve(options: IndexServerOptions) -> None:
    """Serve until SIGTERM or SIGINT. The caller has locked the folder with `exclusive`.

    Raises:
        SystemExit: with status 1 if the indexes cannot be opened; the log has the reason.
        OSError: it cannot listen on the address.
    """
    configure_logging(options.logging, component="fpindex")
    listener = listen(options.host, options.port)
    warm_up()
    metrics = IndexServerMetrics()
    with ExitStack() as opened:
        indexes = _open(options, metrics, opened)
        http = HttpOptions(LIMITS, THREADS, describe_error, stop_time=STOP_TIME)
        run(create_app(indexes, metrics), listener, http)


def describe_error(status: int, message: str) -> bytes:
    """Return the body of an error that the HTTP server sends itself."""
    name = "ShuttingDown" if message == STOPPING else NAMES.get(status, "BadRequest")
    return json.dumps({"error": name}).encode("ascii")


def _open(
    options: IndexServerOptions, metrics: IndexServerMetrics, opened: ExitStack
) -> IndexRegistry:
    """Open the indexes and the line protocol's port; `opened` closes both."""
    try:
        indexes = IndexRegistry(
            options.directory,
            metrics,
            load_concurrency=options.load_concurrency,
            max_postings=options.max_postings,
            serve_damaged=options.serve_damaged,
        )
        opened.callback(indexes.close)
        if options.line_protocol_port:
            address = options.host, options.line_protocol_port
            server = LineProtocolServer(indexes, options.line_protocol_index, address)
            opened.callback(server.close)
    except (FingerprintIndexError, UnknownFilesError, OSError) as error:
        logger.error("the server cannot start", reason=str(error))  # noqa: TRY400
        sys.exit(1)
    return indexes
