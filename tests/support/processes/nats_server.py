"""A NATS server for the tests: that of the development packages, or that of Debian."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nats.js import JetStreamContext

from bench.nats.server import NatsServer
from tests.support.polling import eventually


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


async def delete_stream(server: NatsServer, jetstream: JetStreamContext, name: str) -> None:
    """Delete a stream, and wait until the server has removed its files.

    The server replies earlier. A new stream of the same name may fail until then ("error creating
    store for stream"), or contain the messages of the old one.
    """
    await jetstream.delete_stream(name)
    streams = server.folder / "jetstream" / "$G" / "streams"
    # The server renames the folder before it removes it.
    folders = [streams / name, streams / f".{name}"]
    await asyncio.to_thread(eventually, lambda: not any(each.exists() for each in folders))
