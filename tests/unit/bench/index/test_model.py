"""The model of an index: documents and queries do not depend on the batches."""

import numpy as np
import pytest

from bench.index.model import BLOCK, COPY_REPLACED, REPLACED, TERMS, Model


@pytest.fixture(scope="module")
def model():
    return Model(seed=3)


def test_a_document_is_the_same_in_any_batch(model):
    whole = model.documents(0, 2 * BLOCK)
    assert np.array_equal(model.documents(BLOCK - 5, BLOCK + 5), whole[BLOCK - 5 : BLOCK + 5])
    batched = [insert for batch in model.inserts(BLOCK + 10, 300) for insert in batch]
    assert [insert.id for insert in batched] == list(range(1, BLOCK + 11))
    assert np.array_equal(np.stack([each.terms for each in batched]), whole[: BLOCK + 10])
    assert np.array_equal(Model(seed=3).documents(7, 8)[0], whole[7])
    assert not np.array_equal(Model(seed=4).documents(7, 8)[0], whole[7])


def test_batches_may_start_anywhere(model):
    [batch] = model.inserts(12, 300, first=10)
    assert [insert.id for insert in batch] == [11, 12]


def test_the_terms_of_a_document_are_distinct(model):
    terms = np.sort(model.documents(0, BLOCK), axis=1)
    assert terms.shape == (BLOCK, TERMS)
    assert terms.dtype == np.uint32
    assert (terms[:, 1:] > terms[:, :-1]).all()
    assert not (terms & 15).any()


def test_30_percent_of_the_terms_are_common_with_falling_frequencies(model):
    common, _ = model.common_terms
    terms, counts = np.unique(model.documents(0, 20 * BLOCK), return_counts=True)
    of = dict(zip(terms.tolist(), counts.tolist(), strict=True))
    by_rank = np.array([of.get(term, 0) for term in common.tolist()])
    assert by_rank.sum() / counts.sum() == pytest.approx(0.3, abs=0.005)
    # 1 / (r + 600): the first 600 ranks have ln 2 of ln((2**20 + 600) / 600) of all.
    assert by_rank[:600].sum() / by_rank.sum() == pytest.approx(0.093, abs=0.005)


def test_a_query_is_a_document_with_some_terms_replaced(model):
    ids, queries = model.queries(5000, 50)
    assert len(ids) == len(queries) == 50
    assert 1 <= min(ids) <= max(ids) <= 5000
    for id_, query in zip(ids, queries, strict=True):
        assert query.size == TERMS
        kept = np.isin(query, model.documents(id_ - 1, id_)[0]).sum()
        assert TERMS - REPLACED <= kept <= TERMS - REPLACED + 3


def test_a_copy_has_80_percent_of_the_terms_of_one_recording(model):
    copies = model.copies(BLOCK + 5)
    assert copies.shape == (BLOCK + 5, TERMS)
    assert np.array_equal(model.copies(10), copies[:10])
    terms, counts = np.unique(copies, return_counts=True)
    recording = terms[np.argsort(counts)[-TERMS:]]
    kept = np.isin(copies, recording).sum(axis=1)
    assert kept.min() >= TERMS - COPY_REPLACED
    assert kept.mean() == pytest.approx(TERMS - COPY_REPLACED, abs=1)


def test_the_terms_of_unknown_queries_are_drawn_anew(model):
    queries = model.unknown_queries(20)
    assert [query.size for query in queries] == [TERMS] * 20
    documents = model.documents(0, BLOCK)
    shared = max(np.isin(row, query).sum() for query in queries for row in documents)
    assert shared < TERMS / 10
