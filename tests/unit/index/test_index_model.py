"""The index against a dictionary, under any mix of changes, merges, reopening and rebuilding."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pipeline.index import (
    Change,
    Delete,
    Insert,
    open_reader,
    open_writer,
    verify,
    writer,
)
from pipeline.index.merging import merge, merge_policy
from pipeline.storage import files
from tests.unit.index.model import Documents, answer, applied, contents, pairs, terms

ID = st.integers(1, 25) | st.just(2**32 - 1)
TERM = st.integers(0, 30).map(lambda number: 16 * number) | st.just(2**32 - 1)
TERMS = st.lists(TERM, max_size=20)
CHANGE = st.builds(Insert, ID, TERMS.map(lambda values: terms(*values))) | st.builds(Delete, ID)
CHANGES = st.lists(CHANGE, max_size=12)


class IndexMachine(RuleBasedStateMachine):
    """One writer and one reader, and the dictionary they must agree with."""

    def __init__(self) -> None:
        """Make merges frequent and small, and leave syncs out for speed."""
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(files, "sync", lambda _descriptor: None)
        self.patch.setattr(files, "sync_directory", lambda _path: None)
        self.patch.setattr(merge_policy, "MAX_SEGMENTS", 3)
        self.patch.setattr(merge, "SLICE_POSTINGS", 16)
        self.patch.setattr(writer, "REBUILD_TERMS", 20)
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "index"
        self.reader = open_reader(self.path)
        self.documents: Documents = {}
        self.position = 0

    @initialize()
    def open(self) -> None:
        """Create the index."""
        self.writer = open_writer(self.path, merge_in_background=False)

    @rule(changes=CHANGES, step=st.integers(0, 3))
    def apply(self, changes: list[Change], step: int) -> None:
        """Commit a batch."""
        self.position += step
        self.writer.apply(changes, self.position)
        self.documents = applied(self.documents, changes)

    @rule()
    def delete_all(self) -> None:
        """Delete every document."""
        self.position += 1
        self.writer.apply([Delete(id_) for id_ in self.documents], self.position)
        self.documents = {}

    @rule(batches=st.lists(CHANGES, max_size=8), position=st.integers(0, 50))
    def rebuild(self, batches: list[list[Change]], position: int) -> None:
        """Replace everything."""
        self.writer.rebuild(batches, position)
        self.position = position
        self.documents = applied({}, (change for batch in batches for change in batch))

    @rule()
    def reopen(self) -> None:
        """Close and open the index, for writing and for reading."""
        self.writer.close()
        self.reader.close()
        self.writer = open_writer(self.path, merge_in_background=False)
        self.reader = open_reader(self.path)

    @rule(
        queries=st.lists(TERMS, max_size=4),
        limit=st.integers(1, 8),
        min_score=st.integers(1, 5),
        score_pct=st.integers(0, 100),
    )
    def search(self, queries: list[list[int]], limit: int, min_score: int, score_pct: int) -> None:
        """Search with any limits."""
        found = self.reader.search(
            [terms(*query) for query in queries],
            limit=limit,
            min_score=min_score,
            score_pct=score_pct,
        )
        expected = [answer(self.documents, q, limit, min_score, score_pct) for q in queries]
        assert [pairs(hits) for hits in found] == expected

    @invariant()
    def agrees(self) -> None:
        """Reader, writer and disk agree with the dictionary."""
        assert self.reader.position() == self.position
        assert self.reader.stats().documents == len(self.documents)
        assert contents(self.path) == self.documents
        if hasattr(self, "writer"):
            assert self.writer.position() == self.position
            assert self.reader.stats().segments <= 3
            assert len(list(self.path.glob("*.segment"))) == self.reader.stats().segments
            assert verify(self.path) == []

    def teardown(self) -> None:
        """Close and forget everything."""
        if hasattr(self, "writer"):
            self.writer.close()
        self.reader.close()
        self.folder.cleanup()
        self.patch.undo()


TestIndexModel = IndexMachine.TestCase
TestIndexModel.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
