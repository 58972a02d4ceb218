"""Changes to an index, and the arrays of one segment made from a batch of changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from pipeline.index.segments.postings import Keys
    from pipeline.index.segments.sorted_ids import Ids

MAX_ID = 2**32 - 1
_TERMS = np.dtype(np.uint32)


class Insert(NamedTuple):
    """Insert a document into the index, replacing any older version.

    Attributes:
        id: fingerprint id, 1 to 2**32 - 1.
        terms: query terms, uint32, shape (n,); duplicates count once; may be empty.
    """

    id: int
    terms: NDArray[np.uint32]


class Delete(NamedTuple):
    """Delete a document from the index; an unknown one is no error.

    Attributes:
        id: fingerprint id, 1 to 2**32 - 1.
    """

    id: int


Change: TypeAlias = Insert | Delete


class ChangeBatch(NamedTuple):
    """Inserts and deletions of many documents as arrays, in order.

    Attributes:
        ids: fingerprint ids, at least 1, uint32, shape (n,).
        lengths: number of terms of each document to insert, or `DELETED`, int64, shape (n,).
        terms: the terms of all documents to insert, one after the other, uint32, shape (sum of the
            lengths,).
    """

    ids: NDArray[np.uint32]
    lengths: NDArray[np.int64]
    terms: NDArray[np.uint32]


DELETED: Final = -1
"""The length of a document to delete."""


@dataclass(frozen=True, slots=True, eq=False)
class FoldedChanges:
    """A batch of changes as the content of one segment.

    Attributes:
        inserted: sorted ids of documents with a new version.
        deleted: sorted ids of deleted documents, none of them in `inserted`.
        keys: postings of the new versions; a document's number is its place in `inserted`.
    """

    inserted: Ids
    deleted: Ids
    keys: Keys


def fold(changes: Iterable[Change | ChangeBatch]) -> FoldedChanges:
    """Return changes as a segment's content: the last change of an id wins, terms count once.

    Raises:
        ValueError: an id is out of range, terms are not one-dimensional, or the arrays of a batch
            don't fit together.
        TypeError: an array has another dtype.
    """
    ids, lengths, terms = _last_changes(_joined(list(_batches(changes))))
    is_inserted = lengths != DELETED
    return FoldedChanges(ids[is_inserted], ids[~is_inserted], _keys(terms, lengths[is_inserted]))


def group(batches: Iterable[Sequence[Change]], weight: int) -> Iterator[list[Change]]:
    """Join batches, in order, until a group has about `weight` terms.

    A batch is never split, so a group may exceed `weight` by less than one batch.
    """
    pending: list[Change] = []
    pending_weight = 0
    for batch in batches:
        pending.extend(batch)
        pending_weight += sum(
            1 + (change.terms.size if isinstance(change, Insert) else 0) for change in batch
        )
        if pending_weight >= weight:
            yield pending
            pending, pending_weight = [], 0
    if pending:
        yield pending


def are_terms(terms: object) -> bool:
    """Return whether `terms` is a one-dimensional uint32 array."""
    return isinstance(terms, np.ndarray) and terms.dtype == _TERMS and terms.ndim == 1


def check_terms(terms: NDArray[np.uint32], what: str) -> None:
    """Raise unless `terms` is a one-dimensional uint32 array; `what` is its name in the message."""
    if not isinstance(terms, np.ndarray) or terms.dtype != np.uint32:
        kind = terms.dtype if isinstance(terms, np.ndarray) else type(terms).__name__
        raise TypeError(f"{what} must be a uint32 array, not {kind}")
    if terms.ndim != 1:
        raise ValueError(f"{what} must have one dimension, not {terms.ndim}")


def _check_id(document: int) -> None:
    if not 1 <= document <= MAX_ID:
        raise ValueError(f"document id {document} must be from 1 to {MAX_ID}")


def _batches(changes: Iterable[Change | ChangeBatch]) -> Iterator[ChangeBatch]:
    """Return changes as batches, in order."""
    single: list[Change] = []
    for change in changes:
        if not isinstance(change, ChangeBatch):
            single.append(change)
            continue
        if single:
            yield _batch(single)
            single = []
        _check_batch(change)
        yield change
    if single:
        yield _batch(single)


def _batch(changes: list[Change]) -> ChangeBatch:
    ids = [change.id for change in changes]
    for extreme in (min(ids), max(ids)):
        _check_id(extreme)
    lengths = []
    documents = []
    for change in changes:
        if isinstance(change, Delete):
            lengths.append(DELETED)
            continue
        if not are_terms(change.terms):
            check_terms(change.terms, f"the terms of document {change.id}")
        lengths.append(change.terms.size)
        documents.append(change.terms)
    return ChangeBatch(
        np.array(ids, dtype=np.uint32), np.array(lengths, dtype=np.int64), _concatenated(documents)
    )


def _check_batch(batch: ChangeBatch) -> None:
    """Raise unless the arrays of a batch fit together: compiled loops do not check bounds."""
    check_terms(batch.ids, "the ids of a batch")
    check_terms(batch.terms, "the terms of a batch")
    if batch.lengths.dtype != np.int64:
        raise TypeError(f"the lengths of a batch must be an int64 array, not {batch.lengths.dtype}")
    if batch.ids.size and not batch.ids.all():
        _check_id(0)
    if batch.lengths.shape != batch.ids.shape or (batch.lengths < DELETED).any():
        raise ValueError("a batch must have one length of at least -1 for each id")
    # A single length above the number of terms could make the sum overflow.
    is_too_long = batch.lengths > batch.terms.size
    if is_too_long.any() or np.maximum(batch.lengths, 0).sum() != batch.terms.size:
        raise ValueError("the lengths of a batch must add up to the number of its terms")


def _joined(batches: list[ChangeBatch]) -> ChangeBatch:
    if len(batches) == 1:
        return batches[0]
    return ChangeBatch(
        _concatenated([each.ids for each in batches]),
        np.concatenate([np.empty(0, dtype=np.int64), *(each.lengths for each in batches)]),
        _concatenated([each.terms for each in batches]),
    )


def _last_changes(batch: ChangeBatch) -> ChangeBatch:
    """Return the last change of each id, sorted by id."""
    ids, lengths, terms = batch
    if (ids[1:] > ids[:-1]).all():
        return batch
    order = np.argsort(ids, kind="stable")
    is_last = np.append(ids[order[1:]] != ids[order[:-1]], True)
    chosen = order[is_last]
    ends = np.cumsum(np.maximum(lengths, 0))
    starts = ends - np.maximum(lengths, 0)
    spans = zip(starts[chosen].tolist(), ends[chosen].tolist(), strict=True)
    return ChangeBatch(
        ids[chosen], lengths[chosen], _concatenated([terms[start:end] for start, end in spans])
    )


def _concatenated(arrays: list[NDArray[np.uint32]]) -> NDArray[np.uint32]:
    return np.concatenate(arrays) if arrays else np.empty(0, dtype=np.uint32)


def _keys(terms: NDArray[np.uint32], lengths: NDArray[np.int64]) -> Keys:
    if not terms.size:
        return np.empty(0, dtype=np.uint64)
    from pipeline.index.segments.radix_sort import sort_documents  # noqa: PLC0415 - loops

    # A read-only or strided array would be compiled for separately.
    return sort_documents(np.require(terms, requirements=["C", "W"]), lengths)
