"""The cost of exact searches against that of searches with a limit of postings."""

from pathlib import Path

import pytest

from bench.index import exact_cost
from bench.index.build import build
from bench.index.exact_cost import measure_copies, measure_exact_cost
from bench.index.model import Model
from pipeline.index import open_reader

DOCUMENTS = 150


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the model's documents."""
    path = tmp_path_factory.mktemp("measured") / "index"
    build(path, Model(), DOCUMENTS, 100)
    return path


def test_both_ways_are_measured_for_each_user_and_kind_of_query(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact_cost, "QUERIES", 40)
    figures = measure_exact_cost(path, Model(), DOCUMENTS)
    assert set(figures) == {"lookups", "imports"}
    for user in figures.values():
        assert set(user) == {"indexed", "unknown"}
        for kind in user.values():
            for found in kind.values():
                assert found["exact_cpu_us"] > 0
                assert found["ratio"] > 0
                assert found["other_first_hit"] == 0


def test_copies_are_found_and_the_index_stays_as_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With a limit of 1 posting only one copy is a candidate, so the first hit is another one.
    monkeypatch.setattr(exact_cost, "MAX_POSTINGS", 1)
    figures = measure_copies(path, Model(), DOCUMENTS, 50)
    assert figures["copies"] == 50
    assert figures["lookups"]["exact_cpu_us"] > 0
    assert figures["lookups"]["other_first_hit"] > 0
    with open_reader(path) as reader:
        assert reader.stats().documents == DOCUMENTS
