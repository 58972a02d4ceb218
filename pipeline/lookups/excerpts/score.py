"""The third stage of a lookup of an excerpt: finds the recordings that contain it."""

from collections.abc import Callable

from pipeline.lookups.excerpts.search import find_excerpts
from pipeline.lookups.score import resolve_track_ids
from pipeline.lookups.trusted_sketch import UsableSketch
from pipeline.lookups.trusted_store import TrustedStore
from pipeline.messages import LookupBatch
from pipeline.runtime.databases import Databases


def score_excerpts(
    batch: LookupBatch,
    sketch: Callable[[], UsableSketch],
    databases: Databases,
    store: TrustedStore | None = None,
    *,
    timeout: float,
) -> LookupBatch:
    """Set the tracks that contain each excerpt, and those of lookups by track id.

    Args:
        batch: a batch of validated excerpts.
        sketch: returns the sketch index; is not called for lookups by track id only.
        databases: the candidates and their tracks are in the fingerprint database.
        store: a store that is read before the database.
        timeout: maximum seconds for search and alignment.

    Raises:
        SearchTimeout: they exceeded the timeout.
        IndexUnusable: the sketch index is not usable.
    """
    excerpts = [lookup for lookup in batch.lookups if lookup.words]
    if excerpts:
        find_excerpts(excerpts, sketch(), databases, store, timeout)
    resolve_track_ids([lookup for lookup in batch.lookups if lookup.track_gid], databases)
    for lookup in excerpts:
        lookup.words = b""
    return batch
