"""Folding a batch of changes, and joining batches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.index import Change, ChangeBatch, Delete, Insert
from pipeline.index.changes import DELETED, MAX_ID, FoldedChanges, fold, group
from pipeline.index.segments.postings import documents_of
from tests.unit.index.model import terms, terms_of


def postings(folded: FoldedChanges) -> list[tuple[int, int]]:
    """Return (term, id) of each posting."""
    ids = folded.inserted[documents_of(folded.keys)]
    return list(zip(terms_of(folded.keys).tolist(), ids.tolist(), strict=True))


def batch(*changes: Change) -> ChangeBatch:
    """Return changes as arrays."""
    given_terms = [change.terms for change in changes if isinstance(change, Insert)]
    return ChangeBatch(
        terms(*(change.id for change in changes)),
        np.array(
            [each.terms.size if isinstance(each, Insert) else DELETED for each in changes],
            dtype=np.int64,
        ),
        np.concatenate([terms(), *given_terms]),
    )


CHANGE = st.one_of(
    st.builds(Delete, st.integers(1, 6)),
    st.builds(
        lambda id_, values: Insert(id_, terms(*values)),
        st.integers(1, 6),
        st.lists(st.integers(1, 9), max_size=4),
    ),
)


@given(st.lists(st.tuples(st.booleans(), st.lists(CHANGE, max_size=5)), max_size=4))
@settings(deadline=None)
def test_changes_as_arrays_have_the_result_of_single_ones(
    parts: list[tuple[bool, list[Change]]],
) -> None:
    changes = [change for _, part in parts for change in part]
    folded = fold(
        each for is_batch, part in parts for each in ([batch(*part)] if is_batch else part)
    )
    last = {change.id: change for change in changes}
    inserted = {id_: change for id_, change in last.items() if isinstance(change, Insert)}
    assert folded.inserted.tolist() == sorted(inserted)
    assert folded.deleted.tolist() == sorted(last.keys() - inserted.keys())
    assert postings(folded) == sorted(
        {(term, id_) for id_, change in inserted.items() for term in change.terms.tolist()}
    )


def test_the_terms_of_a_batch_may_be_a_read_only_view() -> None:
    view = np.arange(8, dtype=np.uint32)[::2]
    view.flags.writeable = False
    folded = fold([ChangeBatch(terms(1, 2), np.array([3, 1]), view)])
    assert postings(folded) == [(0, 1), (2, 1), (4, 1), (6, 2)]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ids": terms(0, 2)}, "document id 0 must be from 1"),
        ({"ids": terms(1)}, "one length of at least -1 for each id"),
        ({"lengths": np.array([2, -2])}, "one length of at least -1 for each id"),
        ({"lengths": np.array([1, 2])}, "add up to the number of its terms"),
        ({"lengths": np.array([2**62, 2**62])}, "add up to the number of its terms"),
        ({"lengths": np.array([1, 1], dtype=np.int32)}, "must be an int64 array, not int32"),
        ({"terms": np.array([16, 32])}, "terms of a batch must be a uint32 array"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(
    wrong: dict[str, object], message: str
) -> None:
    right = batch(Insert(1, terms(16)), Insert(2, terms(32)))
    with pytest.raises((ValueError, TypeError), match=message):
        fold([right._replace(**wrong)])


def test_the_last_change_of_an_id_wins() -> None:
    folded = fold(
        [Insert(1, terms(16)), Delete(1), Insert(2, terms(32)), Delete(3), Insert(3, terms(48)),
         Insert(2, terms(64)), Delete(4)]
    )  # fmt: skip
    assert folded.inserted.tolist() == [2, 3]
    assert folded.deleted.tolist() == [1, 4]
    assert postings(folded) == [(48, 3), (64, 2)]


def test_a_term_counts_once_and_postings_are_sorted() -> None:
    folded = fold([Insert(9, terms(32, 16, 32)), Insert(2, terms(32))])
    assert postings(folded) == [(16, 9), (32, 2), (32, 9)]
    folded = fold([Insert(2, terms()), Insert(1, terms(16)), Insert(3, terms(16, 16, 16, 48))])
    assert postings(folded) == [(16, 1), (16, 3), (48, 3)]


def test_the_highest_id_and_term_fit() -> None:
    folded = fold([Insert(MAX_ID, terms(2**32 - 1))])
    assert folded.inserted.tolist() == [2**32 - 1]
    assert postings(folded) == [(2**32 - 1, 2**32 - 1)]


@pytest.mark.parametrize("id_", [0, -1, 2**32])
def test_an_id_out_of_range_is_refused(id_: int) -> None:
    for change in (Insert(id_, terms(16)), Delete(id_)):
        with pytest.raises(ValueError, match=f"document id {id_} must be from 1 to 4294967295"):
            fold([change])


def test_terms_must_be_a_flat_uint32_array() -> None:
    with pytest.raises(TypeError, match="terms of document 7 must be a uint32 array, not int64"):
        fold([Insert(7, np.array([16], dtype=np.int64))])
    with pytest.raises(TypeError, match="not list"):
        fold([Insert(7, [16])])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must have one dimension, not 2"):
        fold([Insert(7, np.zeros((2, 2), dtype=np.uint32))])


def test_batches_are_joined_in_order_until_they_weigh_enough() -> None:
    batches = [[Insert(number, terms(16, 32))] for number in range(1, 6)]
    joined = [[change.id for change in changes] for changes in group(batches, 6)]
    assert joined == [[1, 2], [3, 4], [5]]


def test_deletions_weigh_too() -> None:
    assert [len(changes) for changes in group([[Delete(1)], [Delete(2)], [Delete(3)]], 2)] == [2, 1]
