"""The public algorithm and the search for excerpts, by the functions of the stages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar, cast

import numpy as np

from bench.identification.catalogue import Catalogue
from pipeline.excerpts.alignment import align_batch
from pipeline.excerpts.candidates import find_candidates
from pipeline.excerpts.content import lacking_content
from pipeline.fingerprint.words import Words
from pipeline.lookups.excerpts.search import find_excerpts
from pipeline.lookups.score import score_lookups
from pipeline.lookups.trusted_sketch import UsableSketch
from pipeline.messages import Lookup, LookupBatch
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings

if TYPE_CHECKING:
    from pipeline.lookups.trusted_index import TrustedIndex
    from pipeline.lookups.trusted_store import TrustedStore

Item = TypeVar("Item")

BATCH: Final = 50  # queries of a call
UNLIMITED: Final = 3600.0  # seconds

# Sentinel of `least_chances`: 10**0, as likely as any alignment.
NO_CANDIDATE: Final = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """A fingerprint to identify.

    Attributes:
        words: uint32[n].
        duration: seconds of its audio.
        is_excerpt: whether it is sent with `excerpt=1`. Otherwise a second chance is permitted.
    """

    words: Words
    duration: float
    is_excerpt: bool

    def lookup(self) -> Lookup:
        """Return the query as a lookup that the stage `validate` has decoded."""
        return Lookup(0, duration=int(self.duration), words=self.words.astype("<u4").tobytes())


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a query.

    Attributes:
        numbers: the numbers of the fingerprints found, best first.
        place: seconds of the best one's audio at which the query's first word lies; None if the
            public algorithm found it, or if there is none.
    """

    numbers: tuple[int, ...] = ()
    place: float | None = None

    @classmethod
    def of(cls, lookup: Lookup) -> "Answer":
        """Return the answer of a scored lookup."""
        match = lookup.hits[0].match if lookup.hits else None
        return cls(tuple(hit.track_id for hit in lookup.hits), match.offset if match else None)


def ask_public(catalogue: Catalogue, queries: Sequence[Query]) -> list[Answer]:
    """Return the answers of the public algorithm: ordinary lookups."""
    answers: list[Answer] = []
    for batch in _batches(queries):
        lookups = [query.lookup() for query in batch]
        score_lookups(
            LookupBatch("", "", 0.0, [""], lookups),
            catalogue.public,
            _unused_databases(),
            _trusted(catalogue),
        )
        answers += map(Answer.of, lookups)
    return answers


def ask_both(
    catalogue: Catalogue, queries: Sequence[Query], public: Sequence[Answer]
) -> list[Answer]:
    """Return the answers of the public algorithm and the search for excerpts together.

    Excerpts are searched in the sketch index only. Other queries are so if the public algorithm
    finds nothing: the second chance.

    Args:
        catalogue: the catalogue.
        queries: the queries.
        public: their answers by the public algorithm.
    """
    searched = [
        place
        for place, (query, answer) in enumerate(zip(queries, public, strict=True))
        if query.is_excerpt or not answer.numbers
    ]
    answers = list(public)
    found = ask_excerpts(catalogue, [queries[place] for place in searched])
    for place, answer in zip(searched, found, strict=True):
        answers[place] = answer
    return answers


def ask_excerpts(catalogue: Catalogue, queries: Sequence[Query]) -> list[Answer]:
    """Return the answers of the search for excerpts. Without enough content, nothing is found."""
    # Only the methods `search`, `stats` and `find` are used: no database is compared or read.
    sketch = UsableSketch(cast("TrustedIndex", catalogue.sketch), catalogue.rate)
    answers: list[Answer] = []
    for batch in _batches(queries):
        lookups = [query.lookup() for query in batch]
        searched = [
            lookup
            for lookup, query in zip(lookups, batch, strict=True)
            if not lacking_content(query.words)
        ]
        if searched:
            find_excerpts(searched, sketch, _unused_databases(), _trusted(catalogue), UNLIMITED)
        answers += map(Answer.of, lookups)
    return answers


def least_chances(catalogue: Catalogue, queries: Sequence[Query]) -> list[float]:
    """Return log10 of the chance of the best candidate of each query, accepted or not.

    It is `NO_CANDIDATE` for a query without a candidate or without enough content.
    """
    chances: list[float] = []
    for batch in _batches(queries):
        words = [query.words for query in batch]
        candidates = find_candidates(catalogue.sketch, words, catalogue.rate, timeout=None)
        stored = catalogue.words({key for keys in candidates for key in keys.tolist()})
        rows = {key: row for row, key in enumerate(stored)}
        left = [row for row, keys in enumerate(candidates) for _ in keys]
        right = [rows[key] for keys in candidates for key in keys.tolist()]
        found = align_batch(words, list(stored.values()), (left, right)).log10_chance
        least = np.full(len(batch), NO_CANDIDATE)
        np.minimum.at(least, left, found)
        least[[bool(lacking_content(each)) for each in words]] = NO_CANDIDATE
        chances += least.tolist()
    return chances


def _trusted(catalogue: Catalogue) -> "TrustedStore":
    return cast("TrustedStore", catalogue.store)


def _unused_databases() -> Databases:
    """Return databases without a connection: all candidates are in the store."""
    return Databases(Settings(), component="evaluate")


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
