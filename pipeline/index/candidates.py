"""Loops of a search: which documents the terms of a query find.

Documents of all segments are counted together, so each has one number: that in its segment plus
the segment's base, the number of documents in the segments before it. Query q has the (query, term)
pairs from `bounds[q]` to before `bounds[q + 1]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.index.bits import read_field
from pipeline.index.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.index.sections import Found, Sections

    Words = NDArray[np.uint64]
    Numbers = NDArray[np.uint32]
    Places = NDArray[np.int64]
    Mask = NDArray[np.bool_]


@compiled
def distinct(terms: Numbers, ends: Places, bounds: Places) -> int:
    """Sort the terms of each query and leave out what it repeats, in place.

    Args:
        terms: terms of all queries, uint32, query q's up to `ends[q]`; those that are left move to
            the front.
        ends: int64, shape (queries,).
        bounds: int64, shape (queries + 1,); receives where the terms of each query are now.

    Returns:
        How many terms are left.
    """
    begin = 0
    kept = 0
    for query in range(ends.size):
        own = np.sort(terms[begin : ends[query]].astype(np.uint64))
        begin = ends[query]
        bounds[query] = kept
        for i in range(own.size):
            if i == 0 or own[i] != own[i - 1]:
                terms[kept] = np.uint32(own[i])
                kept += 1
    bounds[ends.size] = kept
    return kept


@compiled
def choose(bounds: Places, totals: Places, budget: int, brings: Mask) -> None:
    """Decide which terms bring documents into the answers: the rarest, within a budget.

    Args:
        bounds: int64, shape (queries + 1,).
        totals: postings of each pair in all segments, int64.
        budget: most postings for one query; its rarest term is taken whatever it costs.
        brings: receives the decision for each pair.
    """
    for query in range(bounds.size - 1):
        first, last = bounds[query], bounds[query + 1]
        rest = budget
        taken = False
        # Sorted as numbers, the place in the lower half: the compiler then needs but one sort.
        order = np.empty(last - first, dtype=np.uint64)
        for i in range(order.size):
            order[i] = (np.uint64(totals[first + i]) << np.uint64(24)) | np.uint64(i)
        for key in np.sort(order):
            pair = first + np.int64(key & np.uint64(0xFFFFFF))
            rest -= totals[pair]
            brings[pair] = rest >= 0 or not taken
            taken = taken or totals[pair] > 0


@compiled
def gather(  # noqa: PLR0913, PLR0917 - compiled loops take plain arrays
    bounds: Places,
    brings: Mask,
    found: Found,
    code: Sections,
    document_bits: int,
    base: int,
    dead: Mask,
    documents: Numbers,
    ends: Places,
) -> np.uint64:
    """Append the documents that the pairs of each query find in one segment.

    Args:
        bounds: int64, shape (queries + 1,).
        brings: which pairs to follow.
        found: where the postings of each pair lie in the segment.
        code: the segment's sections.
        document_bits: width of a document number.
        base: the segment's base.
        dead: which of the segment's documents are out of date; empty if none is.
        documents: receives base + document number, uint32.
        ends: where those of each query end, int64; moved.

    Returns:
        A number without meaning.
    """
    # Reading ahead where each list begins: these reads don't wait for each other, and are only
    # done because the result goes somewhere.
    touched = np.uint64(0)
    for pair in range(bounds[0], bounds[-1]):
        if brings[pair] and found.lengths[pair]:
            touched ^= code.documents[(found.starts[pair] * document_bits) >> 6]
    mask = (np.uint64(1) << np.uint64(document_bits)) - np.uint64(1)
    for query in range(bounds.size - 1):
        end = ends[query]
        for pair in range(bounds[query], bounds[query + 1]):
            if not brings[pair]:
                continue
            bit = found.starts[pair] * document_bits
            for _ in range(found.lengths[pair]):
                number = np.int64(read_field(code.documents, bit, mask))
                bit += document_bits
                if dead.size and dead[min(number, dead.size - 1)]:
                    continue
                documents[end] = base + number
                end += 1
        ends[query] = end
    return touched


@compiled
def complete(  # noqa: PLR0913, PLR0917 - compiled loops take plain arrays
    owners: Numbers,
    candidates: Numbers,
    scores: NDArray[np.int32],
    bounds: Places,
    brings: Mask,
    found: Found,
    code: Sections,
    document_bits: int,
    base: int,
    size: int,
) -> None:
    """Add to the scores of candidates in one segment the terms that brought in no documents.

    Args:
        owners: the query of each candidate.
        candidates: documents, base included.
        scores: their scores, int32; raised.
        bounds: int64, shape (queries + 1,).
        brings: the pairs that are counted already.
        found: where the postings of each pair lie in the segment.
        code: the segment's sections.
        document_bits: width of a document number.
        base: the segment's base.
        size: how many documents the segment has.
    """
    mask = (np.uint64(1) << np.uint64(document_bits)) - np.uint64(1)
    for i in range(candidates.size):
        number = np.int64(candidates[i]) - base
        if number < 0 or number >= size:
            continue
        for pair in range(bounds[owners[i]], bounds[owners[i] + 1]):
            if brings[pair] or not found.lengths[pair]:
                continue
            first = found.starts[pair]
            last = first + found.lengths[pair]
            while first < last:
                middle = (first + last) >> 1
                if np.int64(read_field(code.documents, middle * document_bits, mask)) < number:
                    first = middle + 1
                else:
                    last = middle
            if first < found.starts[pair] + found.lengths[pair]:
                held = np.int64(read_field(code.documents, first * document_bits, mask))
                scores[i] += held == number


@compiled
def resolve(candidates: Numbers, base: int, documents: Numbers, keys: Words) -> None:
    """Put the ids of the candidates of one segment into their keys.

    Args:
        candidates: documents, base included, uint32.
        base: the segment's base.
        documents: ids of the segment's documents.
        keys: the keys of the candidates; those of this segment receive their ids in the lower half.
    """
    for i in range(candidates.size):
        number = np.int64(candidates[i]) - base
        if 0 <= number < documents.size:
            keys[i] |= np.uint64(documents[number])
