"""Readers: any number of processes that read fingerprints while the store is written.

`FingerprintStore.find` imports the loops. A process that only asks for positions and sizes loads no
Numba.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from pipeline.fingerprint_store.rows import StoreRow
from pipeline.fingerprint_store.store_manifest import STORE_FORMAT
from pipeline.storage.snapshot import LatestSnapshot

_LONGEST: Final = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of some fingerprints.

    Attributes:
        rows: the fingerprints whose length is within the bounds, by id.
        missing: ids that are not in the store.
    """

    rows: dict[int, StoreRow]
    missing: list[int]


@dataclass(frozen=True, slots=True)
class StoreStats:
    """The size of a store.

    Attributes:
        position: its changelog position.
        fingerprints: number of fingerprints, including replaced ones until a merge drops them.
        segments: number of segment files.
        bytes: size of these files.
    """

    position: int
    fingerprints: int
    segments: int
    bytes: int


class FingerprintStore:
    """Reads the newest committed state. Thread-safe."""

    def __init__(self, directory: Path) -> None:
        """Read the store in `directory`, from the first call on; use `open_store`."""
        self._latest = LatestSnapshot(STORE_FORMAT, directory)

    def find(
        self,
        ids: Collection[int],
        shortest: int = 0,
        longest: int = _LONGEST,
        *,
        most_words: int | None = None,
        reached: int = 0,
    ) -> Found:
        """Return the fingerprints with these ids and a length within the bounds (seconds).

        Args:
            ids: the ids of the fingerprints, each once.
            shortest: minimum length, in seconds.
            longest: maximum length, in seconds.
            most_words: number of words that are read of each, from the first one; None for all.
            reached: minimum position of the store; below it, all fingerprints are missing.

        Raises:
            StoreCorrupt: a file is missing or damaged.
        """
        from pipeline.fingerprint_store.locating import MISSING, locate  # noqa: PLC0415 - loops

        snapshot = self._latest.get()
        if snapshot.manifest.position < reached:
            return Found({}, list(ids))
        found = Found({}, [])
        segments = snapshot.segments
        places = locate(segments.table, np.fromiter(ids, np.uint32, len(ids))).tolist()
        for key, (segment, row, length, track_id, start, end) in zip(ids, places, strict=True):
            if segment == MISSING:
                found.missing.append(key)
            elif shortest <= length <= longest:
                place = segments.segments[segment]
                last = end if most_words is None else min(end, start + most_words)
                found.rows[key] = place.row(row, length, track_id, start, last)
        return found

    def position(self) -> int:
        """Return the position of the last commit, 0 if there is no store."""
        return self._latest.get().manifest.position

    def reached(self) -> tuple[int, int]:
        """Return the position of the last commit, and its stamp (see `StoreManifest`)."""
        manifest = self._latest.get().manifest
        return manifest.position, manifest.stamp

    def is_missing(self) -> bool:
        """Return whether there is no store."""
        return self._latest.get().is_missing()

    def check_files(self) -> None:
        """Check that the files have the lengths of the manifest; open replaced ones again.

        Raises:
            StoreCorrupt: a file is missing or has another length.
        """
        self._latest.get()
        self._latest.check_files()

    def stats(self) -> StoreStats:
        """Return the size of the store."""
        manifest = self._latest.get().manifest
        return StoreStats(
            position=manifest.position,
            fingerprints=sum(each.fingerprints - each.tombstones for each in manifest.segments),
            segments=len(manifest.segments),
            bytes=sum(each.size for each in manifest.segments),
        )

    def close(self) -> None:
        """Close the files; a later call opens them again."""
        self._latest.close()


def open_store(path: Path) -> FingerprintStore:
    """Open a store for reading; the first call reads the files and raises their errors.

    If there is no store, the reader is empty; it reads the store once that exists.
    """
    return FingerprintStore(path)
