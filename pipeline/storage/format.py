"""The description of the files of a user of the storage engine (the index, the fingerprint store).

A folder contains a manifest, a lock and segment files. Segments never change. The manifest lists
the current segments, oldest first. Each commit replaces the whole manifest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import Self

    from pipeline.storage.errors import StorageCorrupt, StorageLocked, StorageUnusable

MANIFEST_NAME: Final = "manifest"
TEMPORARY_NAME: Final = "manifest.tmp"
LOCK_NAME: Final = "lock"

INDEX_SUFFIX: Final = ".segment"
"""The suffix of the names of segment files of the index."""

STORE_SUFFIX: Final = ".fingerprints"
"""The suffix of the names of segment files of the fingerprint store."""


class SegmentEntry(Protocol):
    """The entry of a segment in the manifest: a named tuple with fields for JSON."""

    @property
    def number(self) -> int:
        """The number in the file's name, which no other segment of the folder ever has."""
        ...

    @property
    def file_name(self) -> str:
        """The name of the file after its commit, `segment_name` of the number."""
        ...

    @property
    def size(self) -> int:
        """The length of the file in bytes."""
        ...

    def _asdict(self) -> dict[str, Any]: ...


class CheckedPart(NamedTuple):
    """A part of a segment's file with a checksum.

    Attributes:
        name: its name in messages.
        start: its first byte.
        end: the byte after its last one.
        checksum: its CRC-32.
    """

    name: str
    start: int
    end: int
    checksum: int


class Segment(Protocol):
    """An immutable file of a folder, open for reading."""

    @property
    def entry(self) -> SegmentEntry:
        """Its entry in the manifest."""
        ...

    @property
    def path(self) -> Path:
        """Its file; see `pipeline.storage.segment_files` for the name before the commit."""
        ...

    def check(self) -> None:
        """Read the whole file and compare its checksums.

        Raises:
            StorageCorrupt: a checksum is wrong.
        """
        ...

    def checked_parts(self) -> list[CheckedPart]:
        """Return the parts of the file that have a checksum each."""
        ...


class Segments(Protocol):
    """The segments of one committed state, oldest first; immutable."""

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments."""
        ...

    def with_segments(self, segments: Iterable[Any], /) -> Self:
        """Return a state of other segments."""
        ...


class Manifest(Protocol):
    """The content of a manifest: a dataclass with its fields in the order of the file."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def position(self) -> int:
        """The changelog position of the state."""
        ...

    @property
    def next_segment(self) -> int:
        """The lowest segment number that was never used."""
        ...

    @property
    def segments(self) -> tuple[SegmentEntry, ...]:
        """The segments, oldest first."""
        ...


ManifestT = TypeVar("ManifestT", bound=Manifest)
SegmentsT = TypeVar("SegmentsT", bound=Segments)


@dataclass(frozen=True, slots=True)
class StorageFormat(Generic[ManifestT, SegmentsT]):
    """The files of one user.

    Attributes:
        noun: the name of a folder in messages, such as "index".
        magic: first word of the manifest's file.
        version: version of the manifest's format.
        indent: indentation of the manifest's JSON, None for one line.
        suffix: the suffix of the names of segment files.
        no_manifest: the manifest of an empty folder, at position 0.
        no_segments: the segments of an empty folder.
        entry_type: the type of a manifest's entries; its fields are those of the JSON.
        open_segment: opens the segment of an entry. Raises FileNotFoundError if there is no
            file, and `corrupt` if the file does not match the entry.
        locked: raised if another writer has the folder open.
        corrupt: raised if a file is damaged.
        unusable: raised by a writer that can't be used any more.
    """

    noun: str
    magic: str
    version: int
    indent: int | None
    suffix: str
    no_manifest: ManifestT
    no_segments: SegmentsT
    entry_type: Callable[..., SegmentEntry]
    open_segment: Callable[[Path, Any], Segment]
    locked: type[StorageLocked]
    corrupt: type[StorageCorrupt]
    unusable: type[StorageUnusable]


def segment_name(number: int, suffix: str) -> str:
    """Return the name of a segment's file."""
    return f"{number:016x}{suffix}"


def entries(segments: Segments) -> tuple[SegmentEntry, ...]:
    """Return the entries of segments in the manifest."""
    return tuple(segment.entry for segment in segments.segments)
