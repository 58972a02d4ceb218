"""Completes the scores of documents: looks for them in the postings of further terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pipeline.index.search.best_hits import floor_of, offer
from pipeline.index.search.keys import document_of, score_of
from pipeline.index.search.query import LATE, POSTINGS, Query, terms_of
from pipeline.index.segments.bits import read_field
from pipeline.index.segments.segment_table import base_of, code_of, ids_of, layout_of
from pipeline.loops.clock import is_past
from pipeline.loops.compiled import compiled, inlined
from pipeline.loops.intrinsics import read_ahead

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.index.search.locating import Located
    from pipeline.index.segments.segment_table import Table

    Words = NDArray[np.uint64]

_CHECKED_EVERY: Final = 64
"""Documents between two checks of the deadline."""
_FIRST_STEP: Final = 16
"""Postings between the expected place of a document and the first place that is read."""


class Lists(NamedTuple):
    """The postings of further terms in each segment.

    Attributes:
        firsts: the first posting of each term, int64, shape (segments, terms).
        behind: the last posting plus 1, same shape.
        sizes: the number of terms with postings in each segment; they come first. int64.
        near: the expected places of one document, int64, shape (terms,).
    """

    firsts: NDArray[np.int64]
    behind: NDArray[np.int64]
    sizes: NDArray[np.int64]
    near: NDArray[np.int64]


@compiled
def lists_from(located: Located, first: int) -> Lists:
    """Return the postings of the terms from `first` on, the most frequent term first."""
    segments, terms = located.starts.shape
    firsts = np.empty((segments, terms - first), dtype=np.int64)
    behind = np.empty((segments, terms - first), dtype=np.int64)
    sizes = np.zeros(segments, dtype=np.int64)
    for place in range(segments):
        for term in range(terms - 1, first - 1, -1):
            if located.lengths[place, term]:
                start = located.starts[place, term]
                firsts[place, sizes[place]] = start
                behind[place, sizes[place]] = start + located.lengths[place, term]
                sizes[place] += 1
    return Lists(firsts, behind, sizes, np.empty(terms - first, dtype=np.int64))


@inlined
def segment_of(table: Table, document: int) -> int:
    """Return the segment of a document, base included."""
    place = table.shape[0] - 1
    while place > 0 and (base_of(table[place]) > document or not ids_of(table[place]).size):
        place -= 1
    return place


@compiled
def id_of(table: Table, document: int) -> int:
    """Return the id of a document, base included."""
    row = table[segment_of(table, document)]
    ids = ids_of(row)
    # In a damaged segment a document number may be too high.
    number = min(document - base_of(row), ids.size - 1)
    return np.int64(ids[number]) if number >= 0 else np.int64(0)


@compiled
def completed_score(table: Table, lists: Lists, document: int, score: int, floor: int) -> int:
    """Return the score of a document with all lists, or any value below `floor`.

    Args:
        table: the segments.
        lists: the postings of the terms that are not in `score`.
        document: the document, base included.
        score: its score by the other terms.
        floor: the score from which the result is exact.
    """
    place = segment_of(table, document)
    row = table[place]
    documents, bits = code_of(row).documents, layout_of(row).document_bits
    mask = (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
    number = document - base_of(row)
    documents_of_segment = max(ids_of(row).size, 1)
    share_before = number / documents_of_segment
    firsts, behind, near = lists.firsts[place], lists.behind[place], lists.near
    size = lists.sizes[place]
    # The place is interpolated: most terms are spread evenly over the documents. Each step
    # handles all terms, so that the memory reads of different terms overlap.
    for term in range(size):
        near[term] = firsts[term] + np.int64(share_before * (behind[term] - firsts[term]))
        near[term] = min(near[term], behind[term] - 1)
        read_ahead(documents, (near[term] * bits) >> 6)
    for term in range(size):
        found = np.int64(read_field(documents, near[term] * bits, mask))
        share = (number - found) / documents_of_segment * (behind[term] - firsts[term])
        near[term] = min(max(near[term] + np.int64(share), firsts[term]), behind[term] - 1)
        read_ahead(documents, (near[term] * bits) >> 6)
    for term in range(size):
        if score + size - term < floor:
            break
        bounds = (firsts[term], near[term], behind[term])
        at = _seek_document(documents, bits, mask, bounds, number)
        if at < behind[term]:
            score += np.int64(read_field(documents, at * bits, mask)) == number
    return score


@compiled
def offer_completed(query: Query, read: int, keys: Words, most: int) -> int:
    """Offer documents with their complete scores.

    Args:
        query: the query.
        read: the number of terms that were read.
        keys: the documents and their counts from these terms, see `with_count`.
        most: the number of documents to complete.

    Returns:
        The number of documents that were not completed although they could be hits; `LATE` at the
        deadline.
    """
    best = query.best
    lists = lists_from(query.located, read)
    left = terms_of(query) - read
    for i in range(keys.size):
        count = score_of(keys[i])
        if count + left < floor_of(best):
            break
        if i >= most:
            return keys.size - i
        document = document_of(keys[i])
        score = completed_score(query.table, lists, document, count, floor_of(best))
        offer(best, query.cutoff, id_of(query.table, document), score)
        query.report[POSTINGS] += left
        if i % _CHECKED_EVERY == 0 and is_past(query.bounds.deadline):
            return LATE
    return 0


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
