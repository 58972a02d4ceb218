"""Reads the changes of an update in MessagePack into arrays, in one pass over the bytes.

An update is a map. Here its first key begins with ``c``, and the value is a list of changes::

    {"c": [{"i": {"i": id, "h": [terms]}}, {"d": {"i": id}}], ...}

Only the first letter of a key counts. The reader understands what clients usually send: keys of up
to 31 ASCII bytes, numbers of any width. For everything else, invalid bodies included, it returns
nothing, and the caller decodes the body with a general decoder.

Compiled loops do not check bounds. So each function here checks a position before it reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pipeline.index.changes import DELETED, MAX_ID, ChangeBatch
from pipeline.loops.compiled import compiled, inlined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

# The first bytes of values, see the specification of MessagePack.
_MAP_OF_1: Final = 0x81
_SHORT_MAP, _END_OF_SHORT_MAPS = 0x80, 0x8F
_SHORT_LIST, _END_OF_SHORT_LISTS = 0x90, 0x9F
_SHORT_TEXT, _END_OF_SHORT_TEXTS = 0xA0, 0xBF
_LIST_16, _LIST_32 = 0xDC, 0xDD
_UNSIGNED_8, _UNSIGNED_32, _SIGNED_8, _SIGNED_64 = 0xCC, 0xCE, 0xD0, 0xD3
_END_OF_ASCII = 0x7F

_FIELDS_OF_INSERT, _FIELDS_OF_DELETE = 2, 1
_CHANGES, _INSERT, _DELETE, _ID, _HASHES = b"cidih"
_NOTHING: Final = -1
"""The value of what is not understood."""


class PackedChanges(NamedTuple):
    """The changes at the beginning of an update.

    Attributes:
        batch: the changes, in order.
        lists_and_maps: number of lists and maps read, the map of the update included.
        more: number of fields of the update after the changes.
        end: the first byte after the changes.
    """

    batch: ChangeBatch
    lists_and_maps: int
    more: int
    end: int


def read_changes(body: bytes, max_items: int) -> PackedChanges | None:
    """Return the changes of an update in MessagePack, None if they are not understood.

    Args:
        body: the update. What follows the changes is not read.
        max_items: maximum number of changes, and of terms of a document.
    """
    ids, lengths, terms, more, end = _read_update(np.frombuffer(body, dtype=np.uint8), max_items)
    if end == _NOTHING:
        return None
    inserts = int(np.count_nonzero(lengths != DELETED))
    return PackedChanges(
        ChangeBatch(ids, lengths, terms), 2 + 2 * ids.size + inserts, int(more), int(end)
    )


@compiled
def _read_update(
    body: Bytes, most: int
) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.uint32], int, int]:
    """Return ids, lengths and terms, the number of fields that follow, and the end or `_NOTHING`.

    A document or a term takes at least one byte, so the arrays are large enough.
    """
    size, at = _start(body, most)
    ids = np.empty(max(size, 0), dtype=np.uint32)
    lengths = np.empty(max(size, 0), dtype=np.int64)
    terms = np.empty(body.size if size > 0 else 0, dtype=np.uint32)
    count = 0
    for place in range(size):
        document, length, at = _change(body, at, most, terms[count:])
        if at == _NOTHING:
            size = _NOTHING
            break
        ids[place] = document
        lengths[place] = length
        count += max(length, 0)
    if size == _NOTHING:
        return ids[:0], lengths[:0], terms[:0], 0, _NOTHING
    return ids, lengths, terms[:count], np.int64(body[0]) - _MAP_OF_1, at


@inlined
def _start(body: Bytes, most: int) -> tuple[int, int]:
    """Return the number of changes and the place of the first; `_NOTHING` for both otherwise."""
    if not body.size or not _MAP_OF_1 <= body[0] <= _END_OF_SHORT_MAPS:
        return _NOTHING, _NOTHING
    letter, at = _key(body, 1)
    return _list(body, at, most) if letter == _CHANGES else (_NOTHING, _NOTHING)


@inlined
def _change(body: Bytes, at: int, most: int, terms: NDArray[np.uint32]) -> tuple[int, int, int]:
    """Read a change; its terms are written to `terms`.

    Returns:
        Its id, its number of terms or `DELETED`, and its end or `_NOTHING`.
    """
    if at >= body.size or body[at] != _MAP_OF_1:
        return 0, 0, _NOTHING
    kind, at = _key(body, at + 1)
    fields = _FIELDS_OF_INSERT if kind == _INSERT else _FIELDS_OF_DELETE
    if kind not in (_INSERT, _DELETE) or at >= body.size or body[at] != _SHORT_MAP + fields:
        return 0, 0, _NOTHING
    at += 1
    document, length = _NOTHING, DELETED
    for _ in range(fields):
        letter, at = _key(body, at)
        if letter == _ID and document == _NOTHING:
            document, at = _number(body, at)
        elif letter == _HASHES and kind == _INSERT and length == DELETED:
            length, at = _terms(body, at, most, terms)
        else:
            at = _NOTHING
        if at == _NOTHING:
            return 0, 0, _NOTHING
    return (document, length, at) if document > 0 else (0, 0, _NOTHING)


@inlined
def _terms(body: Bytes, at: int, most: int, terms: NDArray[np.uint32]) -> tuple[int, int]:
    """Read a list of terms into `terms`; return their number, and the end or `_NOTHING`."""
    size, at = _list(body, at, most)
    for place in range(size):
        term, at = _number(body, at)
        if at == _NOTHING:
            return 0, _NOTHING
        terms[place] = term
    return size, at


@inlined
def _key(body: Bytes, at: int) -> tuple[int, int]:
    """Return the first letter of a short key and its end; `_NOTHING` for both otherwise."""
    if at < 0 or at >= body.size or not _SHORT_TEXT < body[at] <= _END_OF_SHORT_TEXTS:
        return _NOTHING, _NOTHING
    end = at + 1 + np.int64(body[at]) - _SHORT_TEXT
    if end > body.size:
        return _NOTHING, _NOTHING
    for place in range(at + 1, end):
        if body[place] > _END_OF_ASCII:
            return _NOTHING, _NOTHING
    return np.int64(body[at + 1]), end


@inlined
def _list(body: Bytes, at: int, most: int) -> tuple[int, int]:
    """Return the size of a list and the place of its first item; `_NOTHING` for both otherwise.

    Lists with more than `most` items, or more than bytes follow, are not understood.
    """
    if at < 0 or at >= body.size:
        return _NOTHING, _NOTHING
    kind = body[at]
    if _SHORT_LIST <= kind <= _END_OF_SHORT_LISTS:
        size, at = np.int64(kind - _SHORT_LIST), at + 1
    elif kind in (_LIST_16, _LIST_32):
        size, at = _big_endian(body, at + 1, 2 if kind == _LIST_16 else 4)
    else:
        return _NOTHING, _NOTHING
    return (size, at) if 0 <= size <= min(body.size - at, most) else (_NOTHING, _NOTHING)


@inlined
def _number(body: Bytes, at: int) -> tuple[int, int]:
    """Return a number of 32 bits, unsigned, and its end; `_NOTHING` for both otherwise."""
    if at < 0 or at >= body.size:
        return _NOTHING, _NOTHING
    kind = body[at]
    if kind <= _END_OF_ASCII:
        return np.int64(kind), at + 1
    at += 1
    if kind == _UNSIGNED_32:  # most terms; a loop of a fixed number of steps is faster
        return _big_endian(body, at, 4)
    if not _UNSIGNED_8 <= kind <= _SIGNED_64:
        return _NOTHING, _NOTHING
    if kind >= _SIGNED_8 and at < body.size and body[at] > _END_OF_ASCII:
        return _NOTHING, _NOTHING  # negative
    # The widths of signed numbers follow those of unsigned ones.
    value, at = _big_endian(body, at, 1 << ((kind - _UNSIGNED_8) & 3))
    return (value, at) if 0 <= value <= MAX_ID else (_NOTHING, _NOTHING)


@inlined
def _big_endian(body: Bytes, at: int, width: int) -> tuple[int, int]:
    """Return the number in some bytes, and the end; `_NOTHING` for both if the body is too short.

    A number of 64 bits becomes negative if its highest bit is 1.
    """
    if at + width > body.size:
        return _NOTHING, _NOTHING
    value = np.int64(0)
    for place in range(at, at + width):
        value = np.int64((value << 8) | body[place])
    return value, at + width
