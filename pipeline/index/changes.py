"""Changes to an index, and the arrays of one segment made from a batch of changes."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

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


def fold(changes: Iterable[Change]) -> FoldedChanges:
    """Return changes as a segment's content: the last change of an id wins, terms count once.

    Raises:
        ValueError: an id is out of range, or terms are not one-dimensional.
        TypeError: terms are not a uint32 array.
    """
    last = {change.id: change for change in changes}
    inserts = [change for change in last.values() if isinstance(change, Insert)]
    inserts.sort(key=attrgetter("id"))
    deleted = [change.id for change in last.values() if isinstance(change, Delete)]
    for extreme in (min(last, default=1), max(last, default=1)):
        _check_id(extreme)
    for insert in inserts:
        if not are_terms(insert.terms):
            check_terms(insert.terms, f"the terms of document {insert.id}")
    return FoldedChanges(
        np.array([insert.id for insert in inserts], dtype=np.uint32),
        np.sort(np.array(deleted, dtype=np.uint32)),
        _keys([insert.terms for insert in inserts]),
    )


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


def _keys(documents: list[NDArray[np.uint32]]) -> Keys:
    if not documents:
        return np.empty(0, dtype=np.uint64)
    from pipeline.index.segments.radix_sort import sort_documents  # noqa: PLC0415 - loops

    lengths = np.array([each.size for each in documents], dtype=np.int64)
    return sort_documents(np.concatenate(documents), lengths)
