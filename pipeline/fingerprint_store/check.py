"""A full check of the files, on demand."""

from pathlib import Path

import numpy as np

from pipeline.fingerprint_store.errors import StoreCorrupt
from pipeline.fingerprint_store.manifest import NAME
from pipeline.fingerprint_store.segment import Segment
from pipeline.fingerprint_store.snapshot import load_snapshot


def verify_store(path: Path) -> list[str]:
    """Read a whole store and list what is wrong with it; writers and readers may be at work.

    Returns:
        One line for each problem, naming the file; nothing if all is well.
    """
    try:
        snapshot = load_snapshot(path)
    except StoreCorrupt as error:
        return [str(error)]
    snapshot.close()
    if snapshot.is_missing():
        return [f"{path / NAME}: is missing; there is no store here"]
    return [problem for segment in snapshot.segments for problem in _problems(segment)]


def _problems(segment: Segment) -> list[str]:
    problems = []
    try:
        segment.check_words()
    except StoreCorrupt as error:
        problems.append(str(error))
    for name, ids in (("ids", segment.ids), ("tombstones", segment.tombstones)):
        if (ids[1:] <= ids[:-1]).any():
            problems.append(f"{segment.path}: its {name} are not ascending")
    if np.isin(segment.ids, segment.tombstones).any():
        problems.append(f"{segment.path}: it holds fingerprints that it says to be deleted")
    return problems
