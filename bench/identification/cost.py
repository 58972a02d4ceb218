"""CPU time of searches for excerpts, and bytes of the indexes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.identification.algorithms import Query, ask_excerpts
from bench.identification.catalogue import Catalogue, Sizes
from bench.identification.kinds import query_of
from bench.identification.recordings import Recording

SEARCHES: Final = 50
"""Maximum number of searches of a measurement."""


@dataclass(frozen=True, slots=True)
class SearchCost:
    """CPU time of the search for excerpts: candidates, their words, alignment.

    Attributes:
        searches: number of searches.
        alone_ms: mean CPU time of a search alone, in ms.
        batch_ms: mean CPU time of a search in a batch, in ms.
    """

    searches: int
    alone_ms: float
    batch_ms: float


def measure_searches(
    catalogue: Catalogue, recordings: Sequence[Recording]
) -> dict[str, SearchCost]:
    """Return the cost of searches by kind of variant, after a warm-up."""
    queries: dict[str, list[Query]] = {}
    for each in recordings:
        for variant in each.variants:
            queries.setdefault(variant.kind, []).append(query_of(variant))
    return {kind: _measure(catalogue, found[:SEARCHES]) for kind, found in queries.items()}


def bytes_per_recording(sizes: Sizes) -> tuple[float, float]:
    """Return the bytes of a fingerprint in the public and in the sketch index."""
    return sizes.public_bytes / sizes.documents, sizes.sketch_bytes / sizes.documents


def _measure(catalogue: Catalogue, queries: Sequence[Query]) -> SearchCost:
    ask_excerpts(catalogue, queries)  # warm-up
    start = time.process_time()
    ask_excerpts(catalogue, queries)
    batch = time.process_time() - start
    start = time.process_time()
    for query in queries:
        ask_excerpts(catalogue, [query])
    alone = time.process_time() - start
    scale = 1e3 / len(queries)
    return SearchCost(len(queries), alone * scale, batch * scale)
