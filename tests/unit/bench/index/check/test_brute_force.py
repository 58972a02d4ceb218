"""The brute-force model against sets of terms."""

from hypothesis import given
from hypothesis import strategies as st

from bench.index.check.brute_force import BruteForceIndex
from tests.unit.index.model import answer, terms

TERM = st.integers(0, 12) | st.just(2**32 - 1)
TERMS = st.lists(TERM, max_size=12)
ID = st.integers(1, 10) | st.just(2**32 - 1)


@given(
    changes=st.lists(st.tuples(ID, st.none() | TERMS), max_size=20),
    query=TERMS,
    limit=st.integers(1, 12),
    min_score=st.integers(1, 4),
    score_pct=st.integers(0, 100),
)
def test_the_model_answers_as_sets_do(changes, query, limit, min_score, score_pct):
    model = BruteForceIndex()
    plain = {}
    for document, held in changes:
        model.apply([(document, None if held is None else terms(*held))])
        plain[document] = frozenset(held or ())
        if held is None:
            del plain[document]
    found = model.search(terms(*query), limit, min_score, score_pct)
    assert found == answer(plain, query, limit, min_score, score_pct)
    wanted = set(query)
    assert model.postings(terms(*query)) == sum(len(held & wanted) for held in plain.values())
