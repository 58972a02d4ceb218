"""Postings: as sortable numbers (term << 32 | document), and as the bits of a segment."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Keys: TypeAlias = NDArray[np.uint64]
"""term << 32 | document, sorted, none twice."""

TERM_SHIFT: Final = np.uint64(32)
"""Bits of a key below its term."""

WORD_BITS: Final = 64

BLOCK_BITS: Final = 7
"""An entry of the directory for every 2**7 upper parts."""


def words_for(bits: int) -> int:
    """Return the number of words for `bits` bits, including the spare word."""
    return -(-bits // WORD_BITS) + 1


def documents_of(keys: Keys) -> NDArray[np.uint32]:
    """Return the lower halves."""
    return keys.astype(np.uint32)


class BitLayout(NamedTuple):
    """The widths of terms and documents in the bits of a segment.

    Attributes:
        shift: number of low bits that are 0 in every term.
        low_bits: width of a term's lower part.
        highs: number of possible upper parts.
        document_bits: width of a document number.
        postings: number of postings.
    """

    shift: int
    low_bits: int
    highs: int
    document_bits: int
    postings: int


class Sections(NamedTuple):
    """The postings of a segment, or the part of them that is being written.

    Attributes:
        directory: number of postings before every 128th upper part, then of all postings, uint32.
        unary: the upper parts, uint64 words with a spare one at the end.
        low: the lower parts, uint64 words with a spare one.
        documents: the document numbers, uint64 words with a spare one.
    """

    directory: NDArray[np.uint32]
    unary: NDArray[np.uint64]
    low: NDArray[np.uint64]
    documents: NDArray[np.uint64]


class PostingRanges(NamedTuple):
    """The places of the postings of some terms.

    Attributes:
        starts: the first posting of each term, int64.
        lengths: number of postings of each term, int64.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


class Renumbering(NamedTuple):
    """New numbers for the documents of a segment.

    Attributes:
        table: the new number for each document number, or `DROPPED`, uint32; empty if `offset`
            applies to all.
        offset: the difference between the new and the old number if the table is empty.
    """

    table: NDArray[np.uint32]
    offset: int = 0
