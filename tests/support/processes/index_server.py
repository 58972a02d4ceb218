"""An index server process for the tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.index.server import IndexServer


@contextmanager
def running_index_server(folder: Path) -> Iterator[IndexServer]:
    """Run a server during the block, with its indexes and its log in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    server = IndexServer(folder / "data")
    try:
        server.start()
        yield server
    finally:
        server.kill()
