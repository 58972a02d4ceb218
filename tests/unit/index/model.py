"""What an index should hold and answer, in the plainest Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from pipeline.index import Hits, Insert
from pipeline.index.index_manifest import INDEX_FORMAT
from pipeline.index.segments.postings import TERM_SHIFT, documents_of
from pipeline.storage.snapshot import load_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.index import Change
    from pipeline.index.segments.postings import Keys
    from pipeline.index.segments.segment import IndexSegment

Documents: TypeAlias = dict[int, frozenset[int]]
Answer: TypeAlias = list[tuple[int, int]]


def terms(*values: int) -> NDArray[np.uint32]:
    """Return terms as the index takes them."""
    return np.array(values, dtype=np.uint32)


def pack(terms_: NDArray[np.uint32], documents: NDArray[np.uint32]) -> Keys:
    """Return postings as the index sorts them: term << 32 | document number."""
    return (terms_.astype(np.uint64) << TERM_SHIFT) | documents


def terms_of(keys: Keys) -> NDArray[np.uint32]:
    """Return the terms of postings."""
    return (keys >> TERM_SHIFT).astype(np.uint32)


def applied(documents: Documents, changes: Iterable[Change]) -> Documents:
    """Return the documents after some changes."""
    result = dict(documents)
    for change in changes:
        if isinstance(change, Insert):
            result[change.id] = frozenset(change.terms.tolist())
        else:
            result.pop(change.id, None)
    return result


def answer(
    documents: Documents,
    query: Sequence[int],
    limit: int = 40,
    min_score: int = 1,
    score_pct: int = 10,
) -> Answer:
    """Return (id, score) of the best documents, by looking at every one of them."""
    wanted = set(query)
    scores = [(id_, len(wanted & held)) for id_, held in documents.items()]
    found = [(id_, score) for id_, score in scores if score >= min_score]
    best = max((score for _, score in found), default=0)
    kept = [(id_, score) for id_, score in found if score >= best * score_pct // 100]
    return sorted(kept, key=lambda hit: (-hit[1], hit[0]))[:limit]


def pairs(hits: Hits) -> Answer:
    """Return hits as (id, score)."""
    assert hits.ids.dtype == np.uint32
    assert hits.scores.dtype == np.int32
    return list(zip(hits.ids.tolist(), hits.scores.tolist(), strict=True))


def postings(segment: IndexSegment, keys: Keys) -> list[tuple[int, int]]:
    """Return postings of a segment as (term, id)."""
    ids = segment.documents[documents_of(keys)]
    return list(zip(terms_of(keys).tolist(), ids.tolist(), strict=True))


def contents(path: Path) -> Documents:
    """Return every document that the index on the disk holds, read posting by posting."""
    snapshot = load_snapshot(INDEX_FORMAT, path)
    snapshot.close()
    documents: dict[int, set[int]] = {}
    segments = snapshot.segments
    for segment, shadowed in zip(segments.segments, segments.shadowed, strict=True):
        hidden = set(shadowed.tolist())
        documents.update({id_: set() for id_ in segment.documents.tolist() if id_ not in hidden})
        for part in segment.parts():
            for term, id_ in postings(segment, part):
                if id_ not in hidden:
                    documents[id_].add(term)
    assert len(documents) == segments.documents()
    return {id_: frozenset(held) for id_, held in documents.items()}
