"""Merges segments of the store: the merge policy (which segments, and when), and the merge."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint_store.rows import Columns
from pipeline.fingerprint_store.segment import StoreSegment, places
from pipeline.fingerprint_store.store_manifest import StoreSegments
from pipeline.storage.checked_files import check_again

MAX_SEGMENT: Final = 256 << 20  # bytes; a segment of at least half this size is not merged again
FAN_IN: Final = 8
_SMALLEST: Final = 1 << 15  # bytes; smaller segments are in one tier


def choose_merge(segments: StoreSegments) -> slice | None:
    """Return the segments to merge next, the newest ones, or None for none."""
    sizes = [segment.entry.size for segment in segments.segments]
    count = choose_run(sizes, MAX_SEGMENT)
    return slice(len(sizes) - count, len(sizes)) if count else None


def choose_run(sizes: Sequence[int], max_segment: int) -> int:
    """Return the number of newest segments to merge now, 0 for none.

    A fingerprint is written about once for every factor of `FAN_IN` between the smallest and the
    largest segment. Besides the largest ones there are at most a few dozen segments.

    Args:
        sizes: bytes of each segment, oldest first.
        max_segment: maximum bytes of a merged segment.
    """
    total = 0
    tiers: list[int] = []  # tiers of the newest segments, ascending
    for count, size in enumerate(reversed(sizes), start=1):
        if 2 * size >= max_segment:
            break
        total += size
        tiers.append(max([_tier(size), *tiers[-1:]]))
        if count > 1 and 2 * total >= max_segment:
            return count
    for tier in sorted(set(tiers)):
        run = sum(each <= tier for each in tiers)
        if run >= FAN_IN:
            return run
    return 0


def _tier(size: int) -> int:
    """Return the tier of a segment: log(size / _SMALLEST) to base `FAN_IN`, rounded down.

    Segments below `_SMALLEST` are in tier 0. `FAN_IN` must be a power of two.
    """
    return (max(size // _SMALLEST, 1).bit_length() - 1) // (FAN_IN.bit_length() - 1)


def merged(segments: Sequence[StoreSegment], run: slice) -> tuple[Columns, NDArray[np.uint32]]:
    """Return the content of neighbouring segments: the newest row of each id, and the tombstones.

    A tombstone is kept only if a segment before the run has its id.

    Args:
        segments: all segments, oldest first.
        run: the segments to merge; their words are checked.

    Raises:
        StoreCorrupt: the words of a segment are damaged.
    """
    newer: NDArray[np.uint32] = np.empty(0, np.uint32)  # ids that newer segments have
    kept: list[Columns] = []
    deleted: list[NDArray[np.uint32]] = []
    for segment in reversed(segments[run]):
        check_again(segment)
        kept.append(segment.columns(np.flatnonzero(places(newer, segment.ids) < 0)))
        deleted.append(segment.tombstones[places(newer, segment.tombstones) < 0])
        newer = np.union1d(newer, np.union1d(segment.ids, segment.tombstones))
    tombstones = np.unique(np.concatenate(deleted))
    return _joined(kept), tombstones[stored(segments[: run.start], tombstones)]


def stored(segments: Sequence[StoreSegment], keys: NDArray[np.uint32]) -> NDArray[np.bool]:
    """Return for each key whether any of the segments has a fingerprint, deleted later or not."""
    found = np.zeros(keys.size, np.bool)
    for segment in segments:
        found |= places(segment.ids, keys) >= 0
    return found


def _joined(parts: Sequence[Columns]) -> Columns:
    ids = np.concatenate([part.ids for part in parts])
    order = ids.argsort()
    words = [words for part in parts for words in part.words]
    return Columns(
        ids=ids[order],
        lengths=np.concatenate([part.lengths for part in parts])[order],
        track_ids=np.concatenate([part.track_ids for part in parts])[order],
        track_gids=np.concatenate([part.track_gids for part in parts])[order],
        words=[words[place] for place in order.tolist()],
    )
