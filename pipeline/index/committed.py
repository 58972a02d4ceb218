"""The state that a writer has put in force: on the disk and in memory always the same."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pipeline.index.check import check_once
from pipeline.index.errors import WriterUnusable
from pipeline.index.manifest import Manifest, read_manifest, write_manifest
from pipeline.index.segment_store import SegmentStore
from pipeline.index.snapshot import load_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pipeline.index.segment_set import SegmentSet


class CommittedState:
    """Manifest and segments in force; for use by several threads of one writer.

    Attributes:
        manifest: the manifest in force.
        segments: the segments it names.
        store: the folder's segment files.
        unusable: why the writer can't go on, None if it can.
    """

    def __init__(self, directory: Path) -> None:
        """Load the state of a folder, checking every CRC once in the life of this process.

        Raises:
            IndexCorrupt: a file is damaged; it is named.
        """
        self._directory = directory
        self._committing = threading.RLock()
        self.unusable: str | None = None
        snapshot = load_snapshot(directory)
        if snapshot.is_missing():
            write_manifest(directory, snapshot.manifest)
        snapshot.close()
        self.manifest, self.segments = snapshot.manifest, snapshot.segments
        for segment in self.segments.segments:
            check_once(segment)
        self.store = SegmentStore(directory, self.manifest.next_segment)
        self.store.sweep(self.segments)

    def commit(
        self,
        change: Callable[[SegmentSet], SegmentSet],
        position: int | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Put a state in force, on the disk and here, and delete the files it no longer needs.

        Args:
            change: given the segments in force, returns those to put in their place.
            position: the new position, the old one by default.
            metadata: the new metadata, the old by default.

        Raises:
            OSError: the disk is full or failing; the old state is in force.
            WriterUnusable: a failed commit could not be taken back, now or earlier.
        """
        with self._committing:
            self.require_usable()
            segments = change(self.segments)
            old = self.manifest, self.segments
            try:
                # First here, then on the disk: wherever this is interrupted, both are taken back.
                self.manifest, self.segments = self._next(segments, position, metadata), segments
                write_manifest(self._directory, self.manifest)
            except BaseException:
                self.manifest, self.segments = old
                self._restore_manifest()
                self.store.discard(segments, kept=self.segments)
                raise
            self.store.discard(old[1], kept=segments)

    def require_usable(self) -> None:
        """Raise WriterUnusable if the writer can't go on."""
        if self.unusable:
            raise WriterUnusable(f"{self._directory}: {self.unusable}")

    def _next(
        self, segments: SegmentSet, position: int | None, metadata: Mapping[str, str] | None
    ) -> Manifest:
        old = self.manifest
        return Manifest(
            generation=old.generation + 1,
            position=old.position if position is None else position,
            next_segment=self.store.next_number,
            segments=segments.entries(),
            metadata=dict(old.metadata if metadata is None else metadata),
        )

    def _restore_manifest(self) -> None:
        """Put the manifest of `self.manifest` back in force if a failed commit replaced it.

        If that fails too, nobody knows which one a crash would leave: the writer gives up, and
        whoever opens the index next reads it from the disk.
        """
        self.unusable = "a commit failed and could not be taken back; open the index again"
        if read_manifest(self._directory) != self.manifest:
            write_manifest(self._directory, self.manifest)
        self.unusable = None
