"""An index that a version without stamps has written."""

import shutil
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.catalog.fingerprint import tables
from pipeline.catalog.fingerprint.changelog import ForeignIndexError
from pipeline.fingerprint.query import extract_query
from pipeline.following.update_index import update_index
from pipeline.index import Hits, IndexReader, Insert, open_reader, open_writer
from pipeline.lookups.condition import Condition
from pipeline.lookups.trusted_index import TrustedIndex
from pipeline.runtime.databases import Databases
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.index_conditions import (
    ALL,
    SEEDS,
    found,
    move_in_time,
    trusted,
)
from tests.support.catalogue.synthetic import fingerprint
from tests.support.clock import Clock


class CountingReader(IndexReader):
    """A reader that counts its searches."""

    searches = 0

    def search(self, *args: Any, **kwargs: Any) -> list[Hits]:
        self.searches += 1
        return super().search(*args, **kwargs)


def test_an_index_of_the_version_before_is_accepted_and_gets_a_stamp(
    importer: Importer, databases: Databases, index: TrustedIndex, clock: Clock
) -> None:
    changes = [Insert(seed, extract_query(fingerprint(seed))) for seed in SEEDS]
    with open_writer(importer.index_path) as writer:
        writer.apply(changes, 7)
    assert found(index) == ALL
    importer.update_index()
    with open_reader(importer.index_path) as reader:
        state = reader.changelog_state()
    assert state
    assert not state.needs_stamp
    assert found(index) == ALL
    move_in_time(importer.databases, "1 microsecond")
    assert found(trusted(databases, importer.index_path, clock)) is Condition.FOREIGN


def test_an_index_without_a_stamp_is_refused_if_the_database_lacks_its_content(
    importer: Importer, index: TrustedIndex
) -> None:
    """The changelog has no entry at the position, or the database has not given out the id."""
    for document, position in ((7, 8), (1000, 7)):
        shutil.rmtree(importer.index_path, ignore_errors=True)
        with open_writer(importer.index_path) as writer:
            writer.apply([Insert(document, extract_query(fingerprint(2)))], position)
        assert found(index) is Condition.FOREIGN
        with pytest.raises(ForeignIndexError):
            importer.update_index()


def test_an_index_without_a_stamp_is_refused_if_its_content_differs(
    importer: Importer, index: TrustedIndex
) -> None:
    """The index of another database with the same ids, and of a state before a restore."""
    others = {seed: seed + 100 for seed in SEEDS}
    for contents in (others, {1: 101}, {**{seed: seed for seed in SEEDS}, 7: 107}):
        shutil.rmtree(importer.index_path, ignore_errors=True)
        with open_writer(importer.index_path) as writer:
            changes = [
                Insert(document, extract_query(fingerprint(seed)))
                for document, seed in contents.items()
            ]
            writer.apply(changes, len(contents))
        assert found(index) is Condition.FOREIGN
        with pytest.raises(ForeignIndexError):
            importer.update_index()


def test_the_sample_is_searched_once_for_each_state(
    importer: Importer, databases: Databases, clock: Clock
) -> None:
    with open_writer(importer.index_path) as writer:
        writer.apply([Insert(seed, extract_query(fingerprint(seed))) for seed in SEEDS], 7)
    with CountingReader(importer.index_path) as reader:
        index = TrustedIndex(lambda: reader, databases, clock)
        for _ in range(3):
            assert index.condition() is Condition.OK
            clock.now += 60
    assert reader.searches == len(SEEDS)


def test_the_highest_fingerprint_may_have_been_deleted(
    importer: Importer, index: TrustedIndex
) -> None:
    with open_writer(importer.index_path) as writer:
        writer.apply([Insert(seed, extract_query(fingerprint(seed))) for seed in SEEDS], 7)
    with importer.databases.engine("fingerprint").begin() as connection:
        connection.execute(sa.delete(tables.fingerprint).where(tables.fingerprint.c.id == 7))
    assert found(index) == ALL
    assert importer.update_index() == 8
    assert found(index) == [*ALL[:-1], []]


def test_a_commit_of_the_version_before_keeps_the_index_usable(
    importer: Importer, index: TrustedIndex
) -> None:
    """It keeps the stamp of an earlier position."""
    importer.update_index()
    importer.run(importer.receipt(fingerprint(20)), index=False)
    with open_writer(importer.index_path) as writer:
        writer.apply([Insert(8, extract_query(fingerprint(20)))], 8)
        assert writer.changelog_state().needs_stamp
        assert found(index) == ALL
        update_index(writer, importer.databases)
        assert not writer.changelog_state().needs_stamp
