"""The damaged indexes of a server, by name, with the damaged file and its problem."""

import threading
from collections.abc import Mapping
from typing import Final

import structlog

from pipeline.index import IndexCorrupt

REMEDY: Final = (
    "stop the server, move the folder of the index away, then restore a backup or a snapshot and "
    "start the server; `acoustid index verify --dir` lists all damaged files"
)

logger = structlog.get_logger("acoustid.index_server.damaged_indexes")


class DamagedIndexes:
    """The damage of the indexes of a server. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._problems: dict[str, str] = {}

    def report(self, name: str, problem: str) -> None:
        """Store the damage of an index; log it unless it is known.

        Args:
            name: the name of the index.
            problem: the file, its problem and the action.
        """
        with self._lock:
            is_known = self._problems.get(name) == problem
            self._problems[name] = problem
        if not is_known:
            logger.error("the index is damaged", index=name, problem=problem)

    def forget(self, name: str) -> None:
        """Remove the damage of an index that is intact again, or deleted."""
        with self._lock:
            is_known = self._problems.pop(name, None)
        if is_known:
            logger.info("the index is no longer damaged", index=name)

    def get(self, name: str) -> str:
        """Return the damage of an index, an empty text for none."""
        return self._problems.get(name, "")

    def all(self) -> Mapping[str, str]:
        """Return the damage of each damaged index."""
        with self._lock:
            return dict(sorted(self._problems.items()))


def damage_text(error: IndexCorrupt) -> str:
    """Return the text of a damaged file with the action to take on a server."""
    remedy = REMEDY if error.remedy == IndexCorrupt.usual_remedy else error.remedy
    return f"{error.path}: {error.problem}; {remedy}"
