"""A NATS server for the tests: that of the development packages, or that of Debian."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.nats.server import NatsServer


@contextmanager
def running_nats_server(
    folder: Path, *options: str, program: str | None = None
) -> Iterator[NatsServer]:
    """Run a server during the block, with its streams and its log in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    server = NatsServer(folder / "streams", *options, program=program)
    try:
        server.start()
        yield server
    finally:
        server.kill()
