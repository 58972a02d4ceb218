"""How far the answers of several servers reach, so that none takes back what another has told."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pipeline.index_http.server import IndexServer


class Horizon:
    """The positions that servers were seen at, and the one that was told to the caller.

    Whoever reads the position and then searches relies on finding all that came before it. A
    server that follows another may lag, so a search goes only to servers that were seen at the
    told position or beyond it. A server's position grows, except when its index is built anew.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[IndexServer, _Sight] = {}
        self._told = 0

    @property
    def told(self) -> int:
        """The position that searches must reach, 0 before one was told."""
        return self._told

    def reaches(self, server: IndexServer) -> bool:
        """Return whether a server was seen at the told position or beyond it."""
        with self._lock:
            seen = self._seen.get(server)
            return (seen.position if seen else 0) >= self._told

    def see(self, server: IndexServer, position: int, asked: float) -> None:
        """Note a server's position.

        One that went back is of an index that was built anew or lost: what was seen and told
        before means nothing any more.

        Args:
            server: that told it.
            position: that it told.
            asked: when it was asked, of `time.monotonic`; a reply that another thread's has
                overtaken is no step back.
        """
        with self._lock:
            last = self._seen.get(server)
            if last and position < last.position:
                if asked < last.time:
                    return
                self._seen.clear()
                self._told = 0
            self._seen[server] = _Sight(position, time.monotonic())

    def tell(self, position: int) -> None:
        """Note that the caller knows this position."""
        with self._lock:
            self._told = max(self._told, position)


class _Sight(NamedTuple):
    """A position and when it was seen."""

    position: int
    time: float
