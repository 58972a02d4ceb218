"""A full check of the store's files, on demand."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.fingerprint_store.segment import StoreSegment
from pipeline.fingerprint_store.store_manifest import STORE_FORMAT
from pipeline.storage.check import verify_folder


def verify_store(path: Path) -> list[str]:
    """Read a whole store and list its problems. Other processes may read and write it.

    Returns:
        One line for each problem, with the file; empty if there is none.
    """
    return verify_folder(STORE_FORMAT, path, _content_problems)


def _content_problems(segment: StoreSegment) -> Iterator[str]:
    for name, ids in (("ids", segment.ids), ("tombstones", segment.tombstones)):
        if (ids[1:] <= ids[:-1]).any():
            yield f"its {name} are not ascending"
    if np.isin(segment.ids, segment.tombstones).any():
        yield "it has fingerprints that it marks as deleted"
