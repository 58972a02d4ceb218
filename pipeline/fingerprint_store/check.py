"""A full check of the store's files, on demand."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.fingerprint_store.segment import StoreSegment
from pipeline.fingerprint_store.store_manifest import STORE_FORMAT
from pipeline.storage.check import verify_folder


def verify_store(path: Path) -> list[str]:
    """Read a whole store and list its problems; writers and readers may be at work.

    Returns:
        One line for each problem, naming the file; nothing if all is well.
    """
    return verify_folder(STORE_FORMAT, path, _content_problems)


def _content_problems(segment: StoreSegment) -> Iterator[str]:
    for name, ids in (("ids", segment.ids), ("tombstones", segment.tombstones)):
        if (ids[1:] <= ids[:-1]).any():
            yield f"its {name} are not ascending"
    if np.isin(segment.ids, segment.tombstones).any():
        yield "it holds fingerprints that it says to be deleted"
