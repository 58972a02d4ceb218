"""Helpers for tests of the folder of a server."""

from pathlib import Path

from index_server.prometheus_metrics import IndexServerMetrics
from index_server.registry import IndexRegistry


def opened(path: Path) -> IndexRegistry:
    """Open the indexes of a folder."""
    return IndexRegistry(path, IndexServerMetrics())


def contents(path: Path) -> dict[str, bytes | None]:
    """Return the content of each file by its path, None for folders; without locks."""
    return {
        each.relative_to(path).as_posix(): None if each.is_dir() else each.read_bytes()
        for each in path.rglob("*")
        if not each.name.endswith("lock")
    }
