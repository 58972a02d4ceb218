"""Builds indexes, and compares their answers with brute force."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from bench.index.check.brute_force import Answer, BruteForceIndex
from pipeline.index import Change, Delete, IndexReader, Insert, open_reader, open_writer
from tests.unit.index.model import pairs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Terms = NDArray[np.uint32]
    Commit: TypeAlias = Mapping[int, Terms | None]
    """The terms of documents by id; None for a deletion."""

LIMITS: Final = (1, 2, 10, 40, 100, 100_000)


@contextmanager
def searchable(
    commits: Sequence[Commit], *, background: bool = False
) -> Iterator[tuple[IndexReader, BruteForceIndex]]:
    """Build an index and its model.

    Args:
        commits: the commits in order.
        background: merge in threads. Merges may then still run during the block.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        model = BruteForceIndex()
        with (
            open_writer(path, merge_in_background=background) as writer,
            open_reader(path) as reader,
        ):
            for position, commit in enumerate(commits, 1):
                writer.apply([_change(*each) for each in commit.items()], position)
                model.apply(commit.items())
            yield reader, model


def assert_exact(
    reader: IndexReader, model: BruteForceIndex, queries: Sequence[Terms], **limits: Any
) -> list[Answer]:
    """Compare the answers with those of brute force; return them."""
    hits = reader.search(list(queries), **limits)
    assert not any(each.partial for each in hits)
    found = [pairs(each) for each in hits]
    assert found == [model.search(query, **limits) for query in queries]
    return found


def assert_exact_at_any_limit(
    reader: IndexReader, model: BruteForceIndex, query: Terms, **limits: Any
) -> Answer:
    """Compare the answers at each of `LIMITS` with brute force; return the longest."""
    right = model.search(query, max(LIMITS), **limits)
    for limit in LIMITS:
        [hits] = reader.search([query], limit=limit, **limits)
        assert not hits.partial
        assert pairs(hits) == right[:limit]
    return right


def _change(document: int, terms: Terms | None) -> Change:
    return Delete(document) if terms is None else Insert(document, terms)
