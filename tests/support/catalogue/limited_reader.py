"""A reader of a real index whose answers with a limit are all partial, and that may be slow."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.index import Hits, IndexReader


class LimitedReader(IndexReader):
    """Marks each answer with a limit on postings as partial.

    Args:
        path: the folder of the index.
        searches: receives the options of each search.
        is_partial: mark the answers without a limit too, as those of a server with its own limit.
        seconds: duration of a search; it uses up this part of the timeout.
    """

    def __init__(
        self,
        path: Path,
        searches: list[dict[str, Any]],
        *,
        is_partial: bool = False,
        seconds: float = 0.0,
    ) -> None:
        super().__init__(path)
        self._searches = searches
        self._is_partial = is_partial
        self._seconds = seconds

    def search(self, *args: Any, **options: Any) -> list[Hits]:
        """Search the index."""
        self._searches.append(options)
        timeout = options.get("timeout")
        if self._seconds:
            time.sleep(self._seconds if timeout is None else min(self._seconds, timeout))
            options["timeout"] = None if timeout is None else max(timeout - self._seconds, 1e-9)
        is_partial = self._is_partial or options.get("max_postings") is not None
        return [replace(hits, partial=is_partial) for hits in super().search(*args, **options)]
