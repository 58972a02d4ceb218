"""Lookups of excerpts (``excerpt=1``): they have a queue, batches and an answer cache of their own.

A search for an excerpt takes longer than an ordinary lookup, so it must not delay ordinary ones. In
the front end, they have in common only the threads of requests.
"""

import threading
from collections.abc import Sequence

from api.http.errors import ServiceUnavailableError
from api.lookups.answer_cache import LookUp
from api.lookups.pending import Answer
from pipeline.messages import Lookup


class ExcerptLookups:
    """Returns the answers to requests with ``excerpt=1``. Thread-safe.

    Args:
        excerpts: looks up fingerprints of excerpts.
        others: looks up track ids, which such a request may have too.
        max_requests: maximum number of requests that wait for excerpts at a time; further ones are
            refused. The other threads stay free for ordinary lookups.
    """

    def __init__(self, excerpts: LookUp, others: LookUp, max_requests: int) -> None:
        self._excerpts = excerpts
        self._others = others
        self._free = threading.BoundedSemaphore(max_requests)

    def look_up(
        self, lookups: Sequence[Lookup], meta: str, deadline: float, client: str = ""
    ) -> list[Answer]:
        """Return the answers to a request's lookups, in their order.

        The arguments are those of `LookupBatcher.look_up`.

        Raises:
            ServiceUnavailableError: as `LookupBatcher.look_up`, and if too many requests wait.
            InternalError: the batch failed.
        """
        others = [each for each in lookups if not each.excerpt]
        excerpts = [each for each in lookups if each.excerpt]
        found = iter(self._others(others, meta, deadline, client) if others else ())
        parts = iter(self._look_up_excerpts(excerpts, meta, deadline, client) if excerpts else ())
        return [next(parts if each.excerpt else found) for each in lookups]

    def _look_up_excerpts(
        self, lookups: Sequence[Lookup], meta: str, deadline: float, client: str
    ) -> list[Answer]:
        if not self._free.acquire(blocking=False):
            raise ServiceUnavailableError
        try:
            return self._excerpts(lookups, meta, deadline, client)
        finally:
            self._free.release()
