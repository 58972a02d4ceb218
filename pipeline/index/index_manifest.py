"""The index's manifest, and the description of the index's files for the storage engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pipeline.index.errors import IndexCorrupt, IndexLocked, WriterUnusable
from pipeline.index.segments.segment import IndexSegment
from pipeline.index.segments.segment_format import SUFFIX, IndexSegmentEntry
from pipeline.index.segments.segment_set import SegmentSet
from pipeline.storage.format import StorageFormat

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class IndexManifest:
    """One committed state of the index.

    Attributes:
        generation: number that increases by one with every commit.
        position: the changelog position of this state.
        next_segment: the lowest segment number that was never used.
        segments: the segments, oldest first: documents of a later one replace those of an earlier
            one.
        metadata: texts by key, stored for the owner of the index.
    """

    generation: int = 0
    position: int = 0
    next_segment: int = 1
    segments: tuple[IndexSegmentEntry, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


INDEX_FORMAT: Final = StorageFormat(
    noun="index",
    magic="acoustid-index-manifest",
    version=2,
    indent=None,
    suffix=SUFFIX,
    no_manifest=IndexManifest(),
    no_segments=SegmentSet(),
    entry_type=IndexSegmentEntry,
    open_segment=IndexSegment,
    locked=IndexLocked,
    corrupt=IndexCorrupt,
    unusable=WriterUnusable,
)
