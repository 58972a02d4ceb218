"""Measures exact searches and searches with a limit of postings in turns."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.index.build import link_index
from bench.index.search import BATCH, MAX_POSTINGS
from pipeline.index import Insert, open_reader, open_writer
from pipeline.index.warm_up import warm_up
from pipeline.thresholds import (
    IMPORT_INDEX_LIMIT,
    IMPORT_INDEX_MIN_SCORE,
    IMPORT_INDEX_SCORE_PCT,
    LOOKUP_INDEX_LIMIT,
    LOOKUP_INDEX_MIN_SCORE,
    LOOKUP_INDEX_SCORE_PCT,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.index.model import Model, Terms
    from pipeline.index import Hits, IndexReader

QUERIES: Final = 600
TURN: Final = 20
"""Number of queries that are searched one way before they are searched the other way."""

LIMITS: Final = {
    "lookups": (LOOKUP_INDEX_LIMIT, LOOKUP_INDEX_MIN_SCORE, LOOKUP_INDEX_SCORE_PCT),
    "imports": (IMPORT_INDEX_LIMIT, IMPORT_INDEX_MIN_SCORE, IMPORT_INDEX_SCORE_PCT),
}
"""Maximum number of hits, minimum score, and percentage of the best score, by their user."""

COPY_QUERIES: Final = 40
_COMMIT: Final = 1000  # documents


def measure_exact_cost(path: Path, model: Model, documents: int) -> dict[str, Any]:
    """Return the CPU times per search, exact and with at most `MAX_POSTINGS` postings.

    The queries are those of documents of the index with 30 % of the terms replaced (``indexed``),
    and those of which all terms are drawn anew (``unknown``).
    """
    warm_up()
    _, indexed = model.queries(documents, QUERIES)
    queries = {"indexed": indexed, "unknown": model.unknown_queries(QUERIES)}
    with open_reader(path) as reader:
        return {
            user: {
                kind: {
                    "alone": _compare(reader, each, limits, 1),
                    f"batch_{BATCH}": _compare(reader, each, limits, BATCH),
                }
                for kind, each in queries.items()
            }
            for user, limits in LIMITS.items()
        }


def measure_copies(path: Path, model: Model, documents: int, copies: int) -> dict[str, Any]:
    """Add near copies of one recording to a copy of an index, and search for some of them.

    A query is one more copy of the recording.
    """
    warm_up()
    rows = model.copies(copies + COPY_QUERIES)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        copy = Path(folder)
        link_index(path, copy)
        with open_writer(copy) as writer:
            for first in range(0, copies, _COMMIT):
                batch = [
                    Insert(documents + first + place + 1, row)
                    for place, row in enumerate(rows[first : min(first + _COMMIT, copies)])
                ]
                writer.apply(batch, batch[-1].id)
            writer.finish_merges()
        with open_reader(copy) as reader:
            queries = list(rows[copies:])
            found = {user: _compare(reader, queries, limits, 1) for user, limits in LIMITS.items()}
    return {"copies": copies, **found}


@dataclass
class _Way:
    """One of the two ways to search.

    Attributes:
        max_postings: the limit; None for exact searches.
        cpu: CPU seconds of all searches.
    """

    max_postings: int | None
    cpu: float = 0.0

    def search(
        self, reader: IndexReader, queries: Sequence[Terms], limits: tuple[int, int, int], size: int
    ) -> list[Hits]:
        """Search for queries, `size` in each call, and add the CPU time."""
        limit, min_score, score_pct = limits
        start = time.process_time()
        hits = [
            each
            for first in range(0, len(queries), size)
            for each in reader.search(
                queries[first : first + size],
                limit=limit,
                min_score=min_score,
                score_pct=score_pct,
                max_postings=self.max_postings,
            )
        ]
        self.cpu += time.process_time() - start
        return hits


def _compare(
    reader: IndexReader, queries: Sequence[Terms], limits: tuple[int, int, int], size: int
) -> dict[str, float]:
    """Search for the same queries in both ways, in turns.

    Returns:
        CPU µs per search of both, their ratio, the share of queries of which the first hit with a
        limit is another one, and the share of answers that the limit made partial.
    """
    exact, limited = _Way(None), _Way(MAX_POSTINGS)
    differ = partial = 0
    turn = max(TURN, size)
    for first in range(0, len(queries), turn):
        some = queries[first : first + turn]
        # Each way is first in every second turn: the first one fills the caches.
        order = (exact, limited) if first // turn % 2 else (limited, exact)
        hits = {way.max_postings: way.search(reader, some, limits, size) for way in order}
        pairs = zip(hits[None], hits[MAX_POSTINGS], strict=True)
        differ += sum(a.ids[:1].tolist() != b.ids[:1].tolist() for a, b in pairs)
        partial += sum(each.partial for each in hits[MAX_POSTINGS])
    return {
        "exact_cpu_us": round(1e6 * exact.cpu / len(queries), 1),
        "limited_cpu_us": round(1e6 * limited.cpu / len(queries), 1),
        "ratio": round(exact.cpu / limited.cpu, 2),
        "other_first_hit": round(differ / len(queries), 4),
        "partial": round(partial / len(queries), 4),
    }
