"""A full check of an index's files, on demand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.index.index_manifest import INDEX_FORMAT
from pipeline.index.segments.postings import documents_of
from pipeline.index.segments.sorted_ids import contains
from pipeline.storage.check import verify_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipeline.index.segments.segment import IndexSegment


def verify(path: str | Path) -> list[str]:
    """Read a whole index and list its problems. Other processes may read and write it.

    Checks every CRC, that ids and postings are sorted and distinct, that postings belong to
    documents of their segment, and that headers, footers and manifest agree.

    Args:
        path: the folder of the index.

    Returns:
        One line for each problem, with the file; empty if there is none.
    """
    return verify_folder(INDEX_FORMAT, Path(path), _content_problems)


def _content_problems(segment: IndexSegment) -> Iterator[str]:
    for name, ids in (("documents", segment.documents), ("tombstones", segment.tombstones)):
        if not _ascending(ids):
            yield f"its {name} are not sorted and distinct"
    if segment.ids.size and segment.ids[0] == 0:
        yield "it has a document with id 0"
    if contains(segment.documents, segment.tombstones).any():
        yield "it has tombstones of its own documents"
    if not segment.directory_agrees():
        yield "its directory does not agree with its terms"
    last = np.empty(0, dtype=np.uint64)
    for part in segment.parts():
        keys = np.concatenate([last, part])
        if not _ascending(keys):
            yield "its postings are not sorted and distinct"
            return
        if (documents_of(part) >= segment.documents.size).any():
            yield "it has postings of documents that it does not have"
            return
        last = keys[-1:]


def _ascending(values: NDArray[np.uint32] | NDArray[np.uint64]) -> bool:
    return bool((values[1:] > values[:-1]).all())
