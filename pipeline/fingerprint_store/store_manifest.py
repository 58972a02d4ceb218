"""The store's manifest, and the description of the store's files for the storage engine."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint_store.errors import StoreCorrupt, StoreLocked, StoreUnusable
from pipeline.fingerprint_store.segment import StoreSegment
from pipeline.fingerprint_store.segment_format import SUFFIX, StoreSegmentEntry
from pipeline.storage.format import StorageFormat


@dataclass(frozen=True, slots=True)
class StoreManifest:
    """One committed state of the store.

    Attributes:
        position: the changelog position of this state.
        stamp: the time of that entry of the changelog, in µs since the epoch; 0 at position 0. It
            distinguishes stores of different databases at the same position.
        next_segment: the lowest segment number that was never used.
        segments: oldest first; a later one's rows and tombstones replace those of earlier ones.
    """

    position: int = 0
    stamp: int = 0
    next_segment: int = 1
    segments: tuple[StoreSegmentEntry, ...] = ()


class StoreSegments:
    """The segments of one committed state, oldest first; immutable.

    Attributes:
        segments: the segments.
    """

    def __init__(self, segments: Iterable[StoreSegment] = ()) -> None:
        """Store the segments."""
        self.segments = tuple(segments)

    @cached_property
    def table(self) -> NDArray[np.int64]:
        """The segments as an argument of `locate`."""
        from pipeline.fingerprint_store.locating import store_table  # noqa: PLC0415 - loops

        return store_table(self.segments)

    def with_segments(self, segments: Iterable[StoreSegment]) -> "StoreSegments":
        """Return other segments."""
        return StoreSegments(segments)


STORE_FORMAT: Final = StorageFormat(
    noun="store",
    magic="acoustid-fingerprint-store",
    version=2,
    indent=1,
    suffix=SUFFIX,
    no_manifest=StoreManifest(),
    no_segments=StoreSegments(),
    entry_type=StoreSegmentEntry,
    open_segment=StoreSegment,
    locked=StoreLocked,
    corrupt=StoreCorrupt,
    unusable=StoreUnusable,
)
