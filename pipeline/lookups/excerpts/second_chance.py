"""The second chance of lookups that found nothing: a search of the sketch index."""

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.excerpts.content import lacking_content
from pipeline.index import SearchTimeout
from pipeline.lookups.excerpts.search import find_excerpts
from pipeline.lookups.trusted_index import IndexUnusable
from pipeline.lookups.trusted_sketch import UsableSketch
from pipeline.lookups.trusted_store import TrustedStore
from pipeline.messages import Lookup, LookupBatch
from pipeline.runtime.databases import DATABASE_UNREACHABLE, Databases


def waiting_lookups(batch: LookupBatch) -> list[Lookup]:
    """Return the scored lookups of a batch that get a second chance: they still have words."""
    return [lookup for lookup in batch.lookups if lookup.words]


def give_second_chances(
    lookups: Sequence[Lookup],
    sketch: Callable[[], UsableSketch],
    databases: Databases,
    store: TrustedStore | None = None,
    *,
    timeout: float,
) -> None:
    """Set the tracks that the sketch index finds for lookups that found nothing.

    Without a usable sketch index, without the database of the candidates, and if the time ends, the
    lookups keep their empty answers, which are marked as partial. A fingerprint without enough
    content is not searched.

    Args:
        lookups: the result of `waiting_lookups`, at least one. Their words are deleted.
        sketch: returns the sketch index.
        databases: the candidates and their tracks are in the fingerprint database.
        store: a store that is read before the database.
        timeout: maximum seconds for search and alignment.
    """
    searched = [
        lookup
        for lookup in lookups
        if not lacking_content(np.frombuffer(lookup.words, dtype="<u4"))
    ]
    try:
        if searched:
            find_excerpts(searched, sketch(), databases, store, timeout)
    except (IndexUnusable, SearchTimeout, *DATABASE_UNREACHABLE):
        for lookup in searched:
            lookup.partial = True
    for lookup in lookups:
        lookup.words = b""
