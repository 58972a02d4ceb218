"""Reads all files of an index or a store again and again, slowly, to find damage.

A step reads a limited number of bytes. A file in the folder records how far the scrub has come, so
that a restart continues there.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog

from pipeline.storage import checksums, files
from pipeline.storage.checked_files import keep_damage
from pipeline.storage.manifest import read_manifest
from pipeline.storage.segment_files import open_segment

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.storage.errors import StorageCorrupt
    from pipeline.storage.format import SegmentEntry, StorageFormat

SCRUB_NAME: Final = "scrub"
"""The name of the file that records the place."""

PARTIAL_NAME: Final = "scrub.tmp"

RECORD_EVERY: Final = 60.0
"""Seconds between two records of the place."""

RATE: Final = 4 << 20
"""Bytes that are read in a second at most, on average: 345 GB a day."""

logger = structlog.get_logger("acoustid.storage.scrub")


class Place(NamedTuple):
    """The place that a scrub has reached.

    Attributes:
        segment: the number of the segment.
        part: the number of the part in the segment.
        offset: the next byte of the file; 0 for the start of the part.
        checksum: the CRC-32 of the part up to there.
        inode: the inode number of the file that was read, and its time of modification in ns and
            its size: the checksum belongs to this file only.
        again: 1 if this process has begun the part again after a mismatch; it then judges the part.
    """

    segment: int = 0
    part: int = 0
    offset: int = 0
    checksum: int = 0
    inode: int = 0
    modified: int = 0
    size: int = 0
    again: int = 0

    def of_file(self, descriptor: int) -> Place:
        """Return the place in an open file; the start of the part if another file was read."""
        found = os.fstat(descriptor)
        identity = found.st_ino, found.st_mtime_ns, found.st_size
        if identity == (self.inode, self.modified, self.size):
            return self
        return Place(self.segment, self.part, 0, 0, *identity)

    def of_part(self, part: int) -> Place:
        """Return the start of a part of the same file."""
        return self._replace(part=part, offset=0, checksum=0, again=0)


class Scrub:
    """The scrub of one folder, by one process."""

    def __init__(self, format_: StorageFormat[Any, Any], directory: Path) -> None:
        """Store the arguments; the first step reads the recorded place.

        Args:
            format_: the format of the folder.
            directory: the folder.
        """
        self._format = format_
        self._directory = directory
        self._place: Place | None = None
        self._recorded = time.monotonic()
        self._last_step: float | None = None

    def step_when_due(self, every: float) -> StorageCorrupt | None:
        """Read as many bytes as `RATE` allows for `every` seconds, if the last step is as long ago.

        Raises:
            OSError: a file cannot be opened.
        """
        now = time.monotonic()
        if self._last_step is not None and now - self._last_step < every:
            return None
        self._last_step = now
        return self.step(int(every * RATE))

    def step(self, most: int) -> StorageCorrupt | None:
        """Read further bytes; after the last segment, begin with the first one.

        Args:
            most: maximum number of bytes.

        Returns:
            The damage that was found. The next steps read the segment again.

        Raises:
            OSError: a file cannot be opened.
        """
        try:
            found = self._read(most)
        except FileNotFoundError:
            return None  # a merge has replaced it; readers report a file that is missing
        except self._format.corrupt as error:
            found = error
        if found:
            self._forget_record()
        elif self._place is not None and time.monotonic() - self._recorded >= RECORD_EVERY:
            self._record(self._place)
        return found

    def _read(self, most: int) -> StorageCorrupt | None:
        manifest = read_manifest(self._format, self._directory)
        entries = sorted(manifest.segments, key=lambda each: each.number) if manifest else []
        place = self._place or self._recorded_place()
        # Each segment at most once in a step.
        following = [each for each in entries if each.number >= place.segment]
        for entry in [*following, *entries[: len(entries) - len(following)]]:
            if entry.number != place.segment:
                place = Place(entry.number)
            most, place, problem = self._read_segment(entry, place, most)
            self._place = place
            if problem:
                error: StorageCorrupt = self._format.corrupt(
                    self._directory / entry.file_name, problem
                )
                keep_damage(error.path, entry, error)
                return error
            if most <= 0:
                break
        return None

    def _read_segment(self, entry: SegmentEntry, place: Place, most: int) -> tuple[int, Place, str]:
        """Read a segment from a place on.

        Returns:
            The number of bytes that may still be read, the next place, and the damage.
        """
        segment = open_segment(self._format, self._directory, entry)
        with checksums.opened(segment.path) as descriptor:
            if problem := checksums.wrong_length(descriptor, entry.size):
                return most, place, problem
            place = place.of_file(descriptor)
            for number, part in enumerate(segment.checked_parts()):
                if number < place.part:
                    continue
                start = place.offset or part.start
                end = min(part.end, start + most)
                checksum, problem = checksums.continued(descriptor, start, end, place.checksum)
                most -= end - start
                if not problem and end < part.end:
                    return most, place._replace(offset=end, checksum=checksum), ""
                problem = problem or checksums.mismatch(part, checksum)
                if problem and place.offset and not place.again:
                    # The carried checksum may be stale: the next steps read the part again.
                    return 0, place.of_part(number)._replace(again=1), ""
                if problem:
                    return most, Place(entry.number), problem
                place = place.of_part(number + 1)
        return most, Place(entry.number + 1), ""

    def _recorded_place(self) -> Place:
        try:
            place = Place(*map(int, json.loads((self._directory / SCRUB_NAME).read_bytes())))
            return place._replace(again=0)
        except (OSError, ValueError, TypeError):
            return Place()

    def _forget_record(self) -> None:
        """Delete the record: a restart reads the damaged file from its start."""
        with suppress(OSError):
            files.remove(self._directory / SCRUB_NAME)

    def _record(self, place: Place) -> None:
        """Record the place; on a full disk, it is tried again later."""
        self._recorded = time.monotonic()
        with suppress(OSError):
            files.replace_content(
                self._directory / SCRUB_NAME,
                self._directory / PARTIAL_NAME,
                json.dumps(place).encode(),
            )
