"""Shapes of documents for tests of searches: copies, groups, common terms and others.

Each shape is a function of a random generator and a number of documents. It returns the documents'
terms, uint32, and queries that fit them. The last documents are those that a search loses most
easily.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    Terms = NDArray[np.uint32]

LAST_TERM: Final = 2**32 - 1
_KEPT_SHARES: Final = (0.7, 0.8, 0.9, 1.0)


class Collection(NamedTuple):
    """Documents and queries.

    Attributes:
        documents: the terms of each document.
        queries: the terms of each query.
    """

    documents: list[Terms]
    queries: list[Terms]


Shape: TypeAlias = Callable[["Generator", int], Collection]


def uniform(generator: Generator, documents: int) -> Collection:
    """Return documents of 1 to 60 terms of a small set of equally frequent terms."""
    vocabulary = new_terms(generator, int(generator.integers(60, 3000)))
    sizes = generator.integers(1, 60, documents).tolist()
    rows = [generator.choice(vocabulary, size) for size in sizes]
    return Collection(rows, [generator.choice(vocabulary, 60), _mixture(generator, rows)])


def near_copies(
    generator: Generator, documents: int, terms: int = 120, kept: float | None = None
) -> Collection:
    """Return copies of one recording, and a tenth of other documents.

    Args:
        generator: the random generator.
        documents: the number of documents.
        terms: the number of terms of each.
        kept: the share of the recording's terms that a copy has; the rest are its own. By default
            it is one of 0.7 to 1 for each call.
    """
    kept = float(generator.choice(_KEPT_SHARES)) if kept is None else kept
    recording = new_terms(generator, terms)
    rows = [copy_of(generator, recording, kept) for _ in range(documents - documents // 10)]
    rows += [new_terms(generator, terms) for _ in range(documents // 10)]
    queries = [recording, rows[0], *(copy_of(generator, row, kept) for row in rows[:3])]
    return Collection(rows, queries)


def two_groups(generator: Generator, documents: int) -> Collection:
    """Return documents with 20 of 60 terms A or of 60 terms B; the last one has all B."""
    first, second = np.split(new_terms(generator, 120), 2)
    share = float(generator.uniform(0.3, 0.7))
    rows = [
        generator.choice(first if generator.random() < share else second, 20, replace=False)
        for _ in range(documents - 1)
    ]
    return Collection([*rows, second], [np.concatenate([first, second]), second, first])


def common_terms(generator: Generator, documents: int) -> Collection:
    """Return documents that have the same few terms, and 0 to 5 of their own."""
    common = new_terms(generator, int(generator.integers(1, 6)))
    rare = new_terms(generator, max(10, documents // 4))
    sizes = generator.integers(0, 6, documents).tolist()
    rows = [np.concatenate([common, generator.choice(rare, size)]) for size in sizes]
    return Collection(rows, [np.concatenate([common, rare[:3]]), common, _mixture(generator, rows)])


def zipf(generator: Generator, documents: int) -> Collection:
    """Return documents of 60 terms with frequencies as of words: P(rank) ~ 1 / rank ** 1.2."""
    terms = new_terms(generator, 5000)
    ranks = np.minimum(generator.zipf(1.2, (documents, 60)), terms.size) - 1
    rows = list(terms[ranks])
    changed = rows[-1].copy()
    changed[::3] = generator.choice(terms, changed[::3].size)
    return Collection(rows, [changed, rows[0], _mixture(generator, rows)])


def long_documents(generator: Generator, documents: int) -> Collection:
    """Return at most 40 documents of up to 10,000 terms, as of raw words, and short ones."""
    recording = new_terms(generator, 10_000)
    long = min(documents, 40)
    sizes = generator.integers(1, recording.size, long).tolist()
    rows = [generator.choice(recording, size, replace=False) for size in sizes]
    rows += [generator.choice(recording, 3) for _ in range(documents - long)]
    rows.append(recording)
    return Collection(rows, [recording, recording[:948], rows[0], rows[0][:1]])


def identical(generator: Generator, documents: int) -> Collection:
    """Return documents that all have the same terms."""
    terms = new_terms(generator, int(generator.integers(1, 40)))
    return Collection([terms] * documents, [terms, terms[:1], terms[1:]])


def one_term(generator: Generator, documents: int) -> Collection:
    """Return documents of one term: the same for most of them."""
    usual, other, third = new_terms(generator, 3)
    rows = [
        np.array([usual if generator.random() < 0.9 else other], dtype=np.uint32)
        for _ in range(documents)
    ]
    return Collection(rows, [rows[0], rows[-1], np.array([third, usual, other], dtype=np.uint32)])


SHAPES: Final[tuple[Shape, ...]] = (
    uniform,
    near_copies,
    two_groups,
    common_terms,
    zipf,
    long_documents,
    identical,
    one_term,
)


def new_terms(generator: Generator, count: int) -> Terms:
    """Return terms that are distinct and in random order; often the lowest and the highest."""
    drawn = generator.choice(LAST_TERM - 1, count, replace=False).astype(np.uint32) + np.uint32(1)
    ends = np.array([0, LAST_TERM], dtype=np.uint32)[: count if generator.random() < 0.5 else 0]
    drawn[: ends.size] = ends
    return generator.permutation(drawn)


def copy_of(generator: Generator, terms: Terms, kept: float) -> Terms:
    """Return terms with a share of them kept, and new ones for the others."""
    copy = generator.permutation(terms)
    replaced = copy[round(kept * copy.size) :]
    replaced[:] = generator.integers(1, LAST_TERM, replaced.size)
    return copy


def varied(generator: Generator, query: Terms) -> Terms:
    """Return a query with duplicates, with terms that no document has, or with fewer terms."""
    kind = generator.integers(5)
    if kind == 0:
        return np.concatenate([query, query[: query.size // 2]])
    if kind == 1:
        unknown = generator.integers(0, LAST_TERM, 1 + 2 * query.size, dtype=np.uint32)
        return generator.permutation(np.concatenate([query, unknown]))
    if kind == 2:
        return query[: int(generator.integers(0, query.size + 1))]
    return query


def _mixture(generator: Generator, rows: list[Terms]) -> Terms:
    """Return the terms of some documents together."""
    chosen = generator.integers(0, len(rows), 3)
    return np.concatenate([rows[place] for place in chosen.tolist()])
