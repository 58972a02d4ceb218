"""The check of an index server against brute force."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.index.check.command import check_server
from bench.index.check.kills import check_content
from bench.index.check.operations import CheckCounts, CheckedServer
from bench.index.check.server import IndexServer
from bench.index.check.shapes import new_terms

DOCUMENTS = 40
SEED = 3  # many searches have more than 10,000 postings


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheckedServer]:
    """A server with one index."""
    server = IndexServer(tmp_path_factory.mktemp("server") / "indexes")
    server.start()
    try:
        checked = CheckedServer(server, CheckCounts(), DOCUMENTS)
        checked.create(np.random.default_rng(1), "first")
        yield checked
    finally:
        server.kill()


def test_answers_equal_brute_force_before_and_after_kills(tmp_path: Path) -> None:
    figures = check_server(
        tmp_path / "indexes", DOCUMENTS, SEED, lambda kills: kills < 2, print, steps=30
    )
    assert figures["texts"] == []
    assert figures["differences"] == 0
    assert figures["kills"] == 2
    assert figures["in_flight"] >= 2
    assert figures["searches"] > 20
    assert figures["heavy_searches"] > 20


def test_a_lost_version_is_a_difference(checked: CheckedServer) -> None:
    checked.indexes["first"].version += 1
    checked.check_index("first")
    checked.indexes["first"].version -= 1
    checked.check_index("first")
    assert checked.counts.differences == 1


def test_a_lost_document_and_a_changed_one_are_differences(checked: CheckedServer) -> None:
    generator = np.random.default_rng(2)
    lost, changed = list(checked.indexes["first"].content.documents)[:2]
    before = checked.counts.differences
    check_content(checked, generator, "first", [lost, changed])
    assert checked.counts.differences == before
    checked.server.request("DELETE", f"/first/{lost}")
    check_content(checked, generator, "first", [lost])
    assert any(text.startswith(f"GET first/{lost}: 404") for text in checked.counts.texts)
    before = checked.counts.differences
    terms = new_terms(generator, 3).tolist()
    checked.server.request("PUT", f"/first/{changed}", {"h": terms})
    check_content(checked, generator, "first", [changed])
    assert any(text.startswith("search in first") for text in checked.counts.texts)
    assert checked.counts.differences > before
