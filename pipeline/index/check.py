"""Full checks of the files: of a segment once in each writer process, of an index on demand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.index.errors import IndexCorrupt
from pipeline.index.manifest import NAME, read_manifest
from pipeline.index.postings import documents_of
from pipeline.index.segment import Segment
from pipeline.index.sorted_ids import contains

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipeline.index.segment_format import SegmentEntry

# Segments never change, so a process that opens a writer for every batch reads them once.
_checked: set[tuple[int, ...]] = set()


def check_once(segment: Segment) -> None:
    """Check every CRC of a segment, unless this process has done so since the file last changed.

    Raises:
        IndexCorrupt: a CRC is wrong.
    """
    file = segment.path.stat()
    identity = (file.st_dev, file.st_ino, file.st_mtime_ns, file.st_size, segment.entry.checksum)
    if identity not in _checked:
        segment.check()
        _checked.add(identity)


def verify(path: str | Path) -> list[str]:
    """Read a whole index and list what is wrong with it; writers and readers may be at work.

    Checks every CRC, that ids and postings are sorted and distinct, that postings belong to
    documents of their segment, and that headers, footers and manifest agree.

    Args:
        path: the folder of the index.

    Returns:
        One line for each problem, naming the file; nothing if all is well.
    """
    directory = Path(path)
    while True:
        try:
            manifest = read_manifest(directory)
            if manifest is None:
                return [f"{directory / NAME}: is missing; there is no index here"]
            problems = [
                problem
                for entry in manifest.segments
                for problem in _entry_problems(directory, entry, manifest.next_segment)
            ]
            # A segment may be gone because a merge has replaced it in the meantime.
            if not problems or read_manifest(directory) == manifest:
                return problems
        except IndexCorrupt as error:
            return [str(error)]


def _entry_problems(directory: Path, entry: SegmentEntry, next_segment: int) -> Iterator[str]:
    path = directory / entry.file_name
    if entry.number >= next_segment:
        yield f"{directory / NAME}: names segment {entry.number} but gives out {next_segment} next"
    try:
        segment = Segment(directory, entry)
        segment.check()
    except FileNotFoundError:
        yield f"{path}: is missing"
    except IndexCorrupt as error:
        yield str(error)
    else:
        yield from (f"{path}: {problem}" for problem in _content_problems(segment))


def _content_problems(segment: Segment) -> Iterator[str]:
    for name, ids in (("documents", segment.documents), ("tombstones", segment.tombstones)):
        if not _ascending(ids):
            yield f"its {name} are not sorted and distinct"
    if segment.ids.size and segment.ids[0] == 0:
        yield "it holds a document with id 0"
    if contains(segment.documents, segment.tombstones).any():
        yield "it holds tombstones of documents that it holds"
    if not segment.directory_agrees():
        yield "its directory does not agree with its terms"
    last = np.empty(0, dtype=np.uint64)
    for part in segment.parts():
        keys = np.concatenate([last, part])
        if not _ascending(keys):
            yield "its postings are not sorted and distinct"
            return
        if (documents_of(part) >= segment.documents.size).any():
            yield "it holds postings of documents that it does not hold"
            return
        last = keys[-1:]


def _ascending(values: NDArray[np.uint32] | NDArray[np.uint64]) -> bool:
    return bool((values[1:] > values[:-1]).all())
