"""Loops of a search: the documents that contain terms of a query.

Documents of all segments are counted together, so each has one number: that in its segment plus
the segment's base, the number of documents in the segments before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.index.segments.bits import read_field
from pipeline.loops.compiled import compiled, inlined
from pipeline.loops.intrinsics import read_ahead

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.index.segments.postings import PostingRanges

    Words = NDArray[np.uint64]
    Numbers = NDArray[np.uint32]
    Places = NDArray[np.int64]
    Mask = NDArray[np.bool_]

_FIRST_STEP = 16
"""Postings between the expected place of a document and the first place that is read."""


@compiled
def distinct(terms: Numbers) -> Numbers:
    """Return the terms of a query, sorted and each once."""
    sorted_terms = np.sort(terms.astype(np.uint64))
    kept = np.empty(terms.size, dtype=np.uint32)
    count = 0
    for i in range(sorted_terms.size):
        if i == 0 or sorted_terms[i] != sorted_terms[i - 1]:
            kept[count] = np.uint32(sorted_terms[i])
            count += 1
    return kept[:count]


@compiled
def choose(totals: Places, budget: int, adds: Mask) -> None:
    """Decide which terms add documents to the answer: the rarest, within a budget.

    Args:
        totals: postings of each term in all segments, int64.
        budget: maximum number of postings; the rarest term is always chosen.
        adds: receives for each term whether it adds documents.
    """
    # Sorted as numbers with the place in the lower half, so one type of sort is compiled.
    order = np.empty(totals.size, dtype=np.uint64)
    for i in range(order.size):
        order[i] = (np.uint64(totals[i]) << np.uint64(24)) | np.uint64(i)
    taken = False
    for key in np.sort(order):
        term = np.int64(key & np.uint64(0xFFFFFF))
        budget -= totals[term]
        adds[term] = budget >= 0 or not taken
        taken = taken or totals[term] > 0


@compiled
def prefetch(adds: Mask, found: PostingRanges, documents: Words, document_bits: int) -> None:
    """Prefetch the first postings of each list that `gather` reads, so that the reads overlap."""
    for term in range(adds.size):
        if adds[term] and found.lengths[term]:
            read_ahead(documents, (found.starts[term] * document_bits) >> 6)


@compiled
def gather(  # noqa: PLR0913, PLR0917 - compiled loops take plain arrays
    adds: Mask,
    found: PostingRanges,
    documents: Words,
    document_bits: int,
    base: int,
    dead: NDArray[np.uint8],
    gathered: Numbers,
    end: int,
) -> int:
    """Append the documents of one segment that contain terms which add documents.

    Args:
        adds: whether each term adds documents.
        found: the places of each term's postings in the segment.
        documents: the document numbers of the segment's postings.
        document_bits: width of a document number.
        base: the segment's base.
        dead: whether each document of the segment is out of date; empty if none is.
        gathered: receives base + document number, uint32.
        end: the number of documents in `gathered`.

    Returns:
        The new number of documents in `gathered`.
    """
    mask = (np.uint64(1) << np.uint64(document_bits)) - np.uint64(1)
    for term in range(adds.size):
        if not adds[term]:
            continue
        bit = found.starts[term] * document_bits
        length = found.lengths[term]
        for place in range(length):
            number = read_field(documents, bit + place * document_bits, mask)
            gathered[end + place] = np.uint32(number) + np.uint32(base)
        end = _alive(gathered, end, length, base, dead) if dead.size else end + length
    return end


@compiled
def _alive(gathered: Numbers, end: int, length: int, base: int, dead: NDArray[np.uint8]) -> int:
    """Drop the documents that are out of date from those after `end`; return the new end."""
    for place in range(end, end + length):
        document = gathered[place]
        if not dead[min(np.int64(document) - base, dead.size - 1)]:
            gathered[end] = document
            end += 1
    return end


@compiled
def complete(  # noqa: PLR0913, PLR0917 - compiled loops take plain arrays
    candidates: Numbers,
    scores: NDArray[np.int32],
    adds: Mask,
    found: PostingRanges,
    documents: Words,
    document_bits: int,
    base: int,
    size: int,
    floor: int,
) -> None:
    """Raise the scores of candidates in one segment by the terms that add no documents.

    Args:
        candidates: documents, base included.
        scores: their scores, int32, which are raised unless they can't reach the floor.
        adds: whether each term is already counted.
        found: the places of each term's postings in the segment.
        documents: the document numbers of the segment's postings.
        document_bits: width of a document number.
        base: the segment's base.
        size: the number of documents of the segment.
        floor: minimum score of a hit.
    """
    mask = (np.uint64(1) << np.uint64(document_bits)) - np.uint64(1)
    firsts, behind = _lists_left(adds, found)
    near = np.empty(firsts.size, dtype=np.int64)
    for i in range(candidates.size):
        number = np.int64(candidates[i]) - base
        if number < 0 or number >= size:
            continue
        # The place is interpolated: most terms are spread evenly over the documents. Each step
        # handles all terms, so that the memory reads of different terms overlap.
        for term in range(near.size):
            share = number / size * (behind[term] - firsts[term])
            near[term] = firsts[term] + np.int64(share)
            read_ahead(documents, (near[term] * document_bits) >> 6)
        for term in range(near.size):
            found_number = np.int64(read_field(documents, near[term] * document_bits, mask))
            share = (number - found_number) / size * (behind[term] - firsts[term])
            near[term] = min(max(near[term] + np.int64(share), firsts[term]), behind[term] - 1)
            read_ahead(documents, (near[term] * document_bits) >> 6)
        for term in range(near.size):
            if scores[i] + near.size - term < floor:
                break
            place = _seek_document(
                documents, document_bits, mask, (firsts[term], near[term], behind[term]), number
            )
            if place < behind[term]:
                found_number = np.int64(read_field(documents, place * document_bits, mask))
                scores[i] += found_number == number


@compiled
def _lists_left(adds: Mask, found: PostingRanges) -> tuple[Places, Places]:
    """Return the first posting, and the last plus 1, of each term that adds no documents."""
    firsts, behind = np.empty_like(found.starts), np.empty_like(found.starts)
    count = 0
    for term in range(adds.size):
        if not adds[term] and found.lengths[term]:
            firsts[count] = found.starts[term]
            behind[count] = found.starts[term] + found.lengths[term]
            count += 1
    return firsts[:count], behind[:count]


@inlined
def _seek_document(
    documents: Words, document_bits: int, mask: np.uint64, bounds: tuple[int, int, int], number: int
) -> int:
    """Return the first posting of a term whose document is not below `number`.

    Args:
        documents: the document numbers of all postings.
        document_bits: their width.
        mask: 2**document_bits - 1.
        bounds: the term's first posting, the expected place, and the term's last posting plus 1.
        number: the document number.
    """
    first, near, last = bounds
    step = _FIRST_STEP
    if np.int64(read_field(documents, near * document_bits, mask)) < number:
        first = near + 1
        while first + step < last:
            if np.int64(read_field(documents, (first + step) * document_bits, mask)) >= number:
                last = first + step
                break
            first += step + 1
            step *= 2
    else:
        last = near
        while last - step >= first:
            if np.int64(read_field(documents, (last - step) * document_bits, mask)) < number:
                first = last - step + 1
                break
            last -= step
            step *= 2
    while first < last:
        middle = (first + last) >> 1
        if np.int64(read_field(documents, middle * document_bits, mask)) < number:
            first = middle + 1
        else:
            last = middle
    return first


@compiled
def resolve(candidates: Numbers, base: int, ids: Numbers, keys: Words) -> None:
    """Put the ids of the candidates of one segment into their keys.

    Args:
        candidates: documents, base included, uint32.
        base: the segment's base.
        ids: ids of the segment's documents.
        keys: the keys of the candidates; those of this segment receive their ids in the lower half.
    """
    for i in range(candidates.size):
        number = np.int64(candidates[i]) - base
        if 0 <= number < ids.size:
            keys[i] |= np.uint64(ids[number])
