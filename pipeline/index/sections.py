"""The parts of a segment that hold its postings, and places in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Layout(NamedTuple):
    """How terms and documents are cut into bits.

    Attributes:
        shift: low bits that are 0 in every term.
        low_bits: width of a term's lower part.
        highs: how many upper parts are possible.
        document_bits: width of a document number.
        postings: how many postings there are.
    """

    shift: int
    low_bits: int
    highs: int
    document_bits: int
    postings: int


class Sections(NamedTuple):
    """The postings of a segment, or those parts of them that are being written.

    Attributes:
        directory: postings before every 128th upper part, and all of them at the end, uint32.
        unary: the upper parts, uint64 words with a spare one at the end.
        low: the lower parts, uint64 words with a spare one.
        documents: the document numbers, uint64 words with a spare one.
    """

    directory: NDArray[np.uint32]
    unary: NDArray[np.uint64]
    low: NDArray[np.uint64]
    documents: NDArray[np.uint64]


class Found(NamedTuple):
    """Where the postings of some terms lie.

    Attributes:
        starts: the first posting of each term, int64.
        lengths: how many it has, int64.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


class Numbers(NamedTuple):
    """What the documents of a segment are numbered elsewhere.

    Attributes:
        table: for each document number the other one, or `DROPPED`, uint32; empty where all
            are moved alike.
        offset: how far they are moved then.
    """

    table: NDArray[np.uint32]
    offset: int = 0
