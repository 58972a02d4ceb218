"""The sorted terms of a segment's postings as an Elias-Fano code.

A term, without the low bits that are 0 in every term, is split into two parts. The lower part is
stored with a fixed width. The upper parts, which are sorted, are stored as counts in unary: for
each possible upper part one 1 for each of its postings, then a 0. So posting j with upper part h is
the 1 at bit j + h. With n postings of terms below u this takes about 2 + log2(u / n) bits per
posting (P. Elias, 1974; R. Fano, 1971). The directory has the number of postings before every 128th
upper part. From there, a term is found by counting the ones of a few words.

For a damaged segment these functions may return wrong results, but never read outside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.index.segments.bits import lowest_one, place_of_one, read_field, write_fields
from pipeline.index.segments.postings import BLOCK_BITS, TERM_SHIFT
from pipeline.loops.compiled import compiled, inlined
from pipeline.loops.intrinsics import WORDS_OF_LINE, count_ones, read_ahead

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.index.segments.postings import BitLayout, PostingRanges, Renumbering, Sections

    Words = NDArray[np.uint64]

_MOST_AHEAD = 4 * WORDS_OF_LINE
"""Maximum number of prefetched words of a block of upper parts; few blocks have more."""
_NEAR = 4
"""Postings at each end of an upper part that are read one by one before a binary search."""
DROPPED = 2**32 - 1
"""The new number of a document whose postings are left out."""


def common_shift(keys: Words) -> int:
    """Return the number of low bits that are 0 in every term of keys (term << 32 | document)."""
    held = int(np.bitwise_or.reduce(keys) >> TERM_SHIFT) if keys.size else 0
    return (held & -held).bit_length() - 1 if held else 0


@compiled
def encode(
    keys: Words,
    first: int,
    layout: BitLayout,
    parts: Sections,
    origins: NDArray[np.int64],
    block: int,
) -> int:
    """Add postings to the sections of a segment.

    Args:
        keys: term << 32 | document number, sorted, uint64, shape (n,).
        first: number of the first of these postings in the segment.
        layout: the segment's layout.
        parts: the directory from entry `block` on, and the bits from `origins` on, 0 in places
            without postings.
        origins: the first bits of unary, low and documents, multiples of 64, int64, shape (3,).
        block: the first entry of the directory that is not yet written.

    Returns:
        The new first entry that is not yet written.
    """
    shift, low_bits = np.uint64(32 + layout.shift), np.uint64(layout.low_bits)
    low_mask = (np.uint64(1) << low_bits) - np.uint64(1)
    document_mask = np.uint64(0xFFFFFFFF)
    begin = block
    for i in range(keys.size):
        posting = first + i
        high = np.int64(keys[i] >> shift >> low_bits)
        while block << BLOCK_BITS <= high:
            parts.directory[block - begin] = posting
            block += 1
        bit = np.uint64(posting + high - origins[0])
        parts.unary[bit >> np.uint64(6)] |= np.uint64(1) << (bit & np.uint64(63))
    if low_bits:
        bit = first * layout.low_bits - origins[1]
        write_fields(keys, shift, low_mask, layout.low_bits, parts.low, bit)
    bit = first * layout.document_bits - origins[2]
    write_fields(keys, np.uint64(0), document_mask, layout.document_bits, parts.documents, bit)
    return block


@inlined
def _seek_high(directory: NDArray[np.uint32], unary: Words, high: int) -> int:
    """Return the first bit of an upper part in `unary`: a 1 if it has postings, otherwise its 0."""
    block = high >> BLOCK_BITS
    bit = np.int64(directory[block]) + (block << BLOCK_BITS)
    zeros = high - (block << BLOCK_BITS)
    if not zeros:
        return bit
    word = min(bit >> 6, unary.size - 1)
    rest = ~unary[word] & (~np.uint64(0) << np.uint64(bit & 63))
    count = count_ones(rest)
    while count < zeros and word + 1 < unary.size:
        zeros -= count
        word += 1
        rest = ~unary[word]
        count = count_ones(rest)
    return (word << 6) + place_of_one(rest, zeros - 1) + 1


@inlined
def _run_of_ones(unary: Words, bit: int) -> int:
    """Return the number of consecutive ones from a bit on."""
    word = min(bit >> 6, unary.size - 1)
    ones = lowest_one(~(unary[word] >> np.uint64(bit & 63)))
    inside = 64 - (bit & 63)
    if ones < inside:
        return ones
    ones = inside
    word += 1
    while word < unary.size:
        more = lowest_one(~unary[word])
        ones += more
        if more < 64:
            break
        word += 1
    return ones


@inlined
def _first_at_least(low: Words, low_bits: int, first: int, last: int, wanted: np.uint64) -> int:
    """Return the first posting in [first, last) with a lower part >= `wanted`, else `last`."""
    mask = (np.uint64(1) << np.uint64(low_bits)) - np.uint64(1)
    while first < last:
        middle = (first + last) >> 1
        if read_field(low, middle * low_bits, mask) < wanted:
            first = middle + 1
        else:
            last = middle
    return first


@inlined
def _postings_of_low(
    low: Words, low_bits: int, first: int, last: int, wanted: np.uint64
) -> tuple[int, int]:
    """Return the start and the end of the postings in [first, last) with the lower part `wanted`.

    Few terms share an upper part, so mostly one or two postings at each end belong to other terms.
    """
    mask = (np.uint64(1) << np.uint64(low_bits)) - np.uint64(1)
    near = min(first + _NEAR, last)
    while first < near and read_field(low, first * low_bits, mask) < wanted:
        first += 1
    if first == near:
        first = _first_at_least(low, low_bits, first, last, wanted)
    near = max(last - _NEAR, first)
    while last > near and read_field(low, (last - 1) * low_bits, mask) > wanted:
        last -= 1
    if last == near:
        last = _first_at_least(low, low_bits, first, last, wanted + np.uint64(1))
    return first, last


@compiled
def locate(
    terms: NDArray[np.uint32], layout: BitLayout, code: Sections, found: PostingRanges
) -> None:
    """Find the postings of many terms.

    Args:
        terms: uint32, shape (n,); sorted terms are faster, because neighbours share cache lines.
        layout: the segment's layout.
        code: its sections.
        found: receives the place of each term's postings.
    """
    shift, low_bits, highs = layout.shift, layout.low_bits, layout.highs
    starts, lengths = found
    directory, unary = code.directory, code.unary
    low_mask = (np.uint64(1) << np.uint64(low_bits)) - np.uint64(1)
    words_of_block = min((layout.postings // highs + 1 << BLOCK_BITS) >> 6, _MOST_AHEAD)
    # Each step handles all terms, so that the memory reads of different terms overlap.
    for i in range(terms.size):
        starts[i] = min(np.int64(terms[i] >> np.uint32(shift)) >> low_bits, highs - 1) >> BLOCK_BITS
        read_ahead(directory, starts[i])
    for i in range(terms.size):
        block = starts[i]
        word = (np.int64(directory[block]) + (block << BLOCK_BITS)) >> 6
        for ahead in range(0, words_of_block, WORDS_OF_LINE):
            read_ahead(unary, word + ahead)
        read_ahead(unary, word + words_of_block - 1)
    for i in range(terms.size):
        starts[i], lengths[i] = _postings_of_high(terms[i], layout, code)
        read_ahead(code.low, (starts[i] * low_bits) >> 6)
    if not low_bits:
        return
    for i in range(terms.size):
        if lengths[i]:
            first, last = starts[i], starts[i] + lengths[i]
            wanted = (np.uint64(terms[i]) >> np.uint64(shift)) & low_mask
            starts[i], behind = _postings_of_low(code.low, low_bits, first, last, wanted)
            lengths[i] = behind - starts[i]


@inlined
def _postings_of_high(term: np.uint32, layout: BitLayout, code: Sections) -> tuple[int, int]:
    """Return the first posting with the upper part of a term, and the number of such postings."""
    shift, low_bits, highs = layout.shift, layout.low_bits, layout.highs
    cut = np.uint64(term) >> np.uint64(shift)
    high = np.int64(cut >> np.uint64(low_bits))
    if high >= highs or (cut << np.uint64(shift)) != np.uint64(term):
        return 0, 0
    bit = _seek_high(code.directory, code.unary, high)
    first = bit - high
    length = _run_of_ones(code.unary, bit)
    if first < 0 or first + length > layout.postings:
        return 0, 0  # a damaged segment; `verify` reports it
    return first, length


@compiled
def seek(term: int, layout: BitLayout, code: Sections) -> int:
    """Return the first posting whose term is not below `term`."""
    shift, low_bits, highs, _, postings = layout
    wanted = np.uint64((term + (1 << shift) - 1) >> shift)
    high = np.int64(wanted >> np.uint64(low_bits))
    if high >= highs:
        return postings
    bit = _seek_high(code.directory, code.unary, high)
    first = min(max(bit - high, 0), postings)
    if low_bits:
        low_mask = (np.uint64(1) << np.uint64(low_bits)) - np.uint64(1)
        last = min(first + _run_of_ones(code.unary, bit), postings)
        first = _first_at_least(code.low, low_bits, first, last, wanted & low_mask)
    return first


@compiled
def decode(
    first: int, last: int, layout: BitLayout, code: Sections, numbers: Renumbering, keys: Words
) -> int:
    """Return postings in the format of `encode`.

    Args:
        first: the first posting.
        last: the posting to stop before.
        layout: the segment's layout.
        code: its sections.
        numbers: numbers to use instead of the document numbers; postings of `DROPPED` documents
            are left out.
        keys: receives term << 32 | document number, uint64, at least last - first of them.

    Returns:
        The number of keys written.
    """
    shift, low_bits, document_bits = layout.shift, layout.low_bits, layout.document_bits
    directory, unary, low, documents = code
    table, offset = numbers.table, np.uint64(numbers.offset)
    low_mask = (np.uint64(1) << np.uint64(low_bits)) - np.uint64(1)
    document_mask = (np.uint64(1) << np.uint64(document_bits)) - np.uint64(1)
    # Start at the last block that begins at or before the first posting.
    block = np.searchsorted(directory, np.uint32(first), side="right") - 1
    posting = np.int64(directory[block])
    bit = posting + (block << BLOCK_BITS)
    word = min(bit >> 6, unary.size - 1)
    ones = unary[word] & (~np.uint64(0) << np.uint64(bit & 63))
    count = 0
    while posting < last:
        while not ones:
            word += 1
            if word >= unary.size:
                return count
            ones = unary[word]
        if posting >= first:
            high = np.uint64((word << 6) + lowest_one(ones) - posting)
            term = high << np.uint64(low_bits)
            if low_bits:
                term |= read_field(low, posting * low_bits, low_mask)
            number = read_field(documents, posting * document_bits, document_mask)
            if table.size:
                number = np.uint64(table[min(np.int64(number), table.size - 1)])
            else:
                number += offset
            if number != np.uint64(DROPPED):
                keys[count] = (term << np.uint64(32 + shift)) | number
                count += 1
        ones &= ones - np.uint64(1)
        posting += 1
    return count


@compiled
def count_blocks(unary: Words, highs: int, directory: NDArray[np.uint32]) -> int:
    """Compute the directory from the unary part, to compare it with the stored one.

    Args:
        unary: see `Sections`.
        highs: see `BitLayout`.
        directory: receives all entries but the last, uint32.

    Returns:
        The number of postings.
    """
    high = np.int64(0)
    ones = np.int64(0)
    directory[0] = 0
    for word in unary:
        for place in range(64):
            if high >= highs:
                return ones
            if (word >> np.uint64(place)) & np.uint64(1):
                ones += 1
                continue
            high += 1
            if high < highs and high & ((1 << BLOCK_BITS) - 1) == 0:
                directory[high >> BLOCK_BITS] = ones
    return -1
