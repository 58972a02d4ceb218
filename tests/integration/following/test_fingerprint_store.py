"""Lookups read the same from the fingerprint store as from the database."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from pipeline.catalog.fingerprint import tables
from pipeline.catalog.fingerprint.track_merge import merge_tracks
from pipeline.fingerprint.codec import compress
from pipeline.fingerprint_store import (
    StoreRow,
    open_store,
    open_store_writer,
    verify_store,
)
from pipeline.following import copies
from pipeline.following.followers import raise_failure, update_followers
from pipeline.following.store_copy import OtherDatabaseError, StoreCopy
from pipeline.following.update_index import rebuild_follower, update_index
from pipeline.index import open_reader, open_writer
from pipeline.lookups.score import score_lookups
from pipeline.lookups.trusted_store import TrustedStore
from pipeline.lookups.validate import validate_lookups
from pipeline.messages import Lookup, LookupBatch, TrackHit
from pipeline.runtime.databases import Databases
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import Words, fingerprint, near_copy

SEEDS = range(1, 8)
COPIES = [near_copy(fingerprint(seed), seed + 100, 0.03) for seed in SEEDS]


@pytest.fixture
def importer(databases: Databases, index_path: Path) -> Importer:
    importer = Importer(databases, index_path)
    importer.run(*(importer.receipt(fingerprint(seed)) for seed in SEEDS), index=False)
    return importer


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "store"


def update(importer: Importer, place: Path) -> None:
    with open_writer(importer.index_path) as writer, open_store_writer(place) as store:
        update_index(writer, importer.databases, followers=[StoreCopy(store)])


def find(importer: Importer, place: Path | None, asked: Sequence[Words]) -> list[list[TrackHit]]:
    lookups = [Lookup(0, 200, 7, fingerprint=compress(words)) for words in asked]
    batch = validate_lookups(LookupBatch("id", "reply", 0.0, [""] * len(asked), lookups))
    with ExitStack() as stack:
        store = place and stack.enter_context(
            closing(TrustedStore(open_store(place), importer.databases))
        )
        index = stack.enter_context(open_reader(importer.index_path))
        scored = score_lookups(batch, index, importer.databases, store)
    return [lookup.hits for lookup in scored.lookups]


def change_words(importer: Importer, key: int, words: Words) -> None:
    """Change the words of a fingerprint in the database only, which the service never does."""
    with importer.databases.engine("fingerprint").begin() as connection:
        connection.execute(
            sa.update(tables.fingerprint)
            .where(tables.fingerprint.c.id == key)
            .values(words=words.tobytes())
        )


@contextmanager
def counted_statements(databases: Databases) -> Iterator[list[str]]:
    """Collect the statements to the fingerprint database."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    with databases.reading("fingerprint") as lent:
        engines = {databases.engine("fingerprint"), lent.engine}
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        for engine in engines:
            sa.event.remove(engine, "before_cursor_execute", note)


def test_answers_are_equal_with_and_without_the_store(importer: Importer, place: Path) -> None:
    update(importer, place)
    expected = find(importer, None, COPIES)
    assert all(hits for hits in expected)
    assert find(importer, place, COPIES) == expected


def test_words_are_read_from_the_store(importer: Importer, place: Path) -> None:
    update(importer, place)
    expected = find(importer, None, COPIES)
    change_words(importer, 3, fingerprint(99))
    assert find(importer, None, COPIES)[2] == []
    assert find(importer, place, COPIES) == expected


def test_index_and_store_are_at_one_position(
    importer: Importer, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "BATCH", 3)
    with open_writer(importer.index_path) as writer, open_store_writer(place) as store:
        assert (
            update_index(writer, importer.databases, followers=[StoreCopy(store)], until=0.0) == 3
        )
        assert store.position() == 3
        assert update_index(writer, importer.databases, followers=[StoreCopy(store)]) == 7
    assert open_store(place).stats().fingerprints == 7
    assert open_store(place).position() == 7


def test_missing_rows_of_a_store_are_read_from_the_database(
    importer: Importer, place: Path
) -> None:
    importer.update_index()
    expected = find(importer, None, COPIES)
    assert find(importer, place, COPIES) == expected  # there is no store yet
    update(importer, place)
    assert open_store(place).position() == 7
    importer.run(importer.receipt(fingerprint(50)))
    assert open_store(place).find([8]).missing == [8]
    [hits] = find(importer, place, [fingerprint(50)])
    assert [hit.score for hit in hits] == [1.0]
    update(importer, place)
    assert open_store(place).position() == 8
    assert find(importer, place, [fingerprint(50)]) == [hits]


def test_answers_from_the_store_need_no_sql(importer: Importer, place: Path) -> None:
    update(importer, place)
    expected = find(importer, None, COPIES)
    with counted_statements(importer.databases) as statements:
        assert find(importer, place, COPIES) == expected
    assert not [each for each in statements if "JOIN track" in each]
    with counted_statements(importer.databases) as statements:
        assert find(importer, None, COPIES) == expected
    assert [each for each in statements if "JOIN track" in each]


def test_a_merge_is_visible_at_once(importer: Importer, place: Path) -> None:
    update(importer, place)
    [[old], [new]] = find(importer, place, [fingerprint(1), fingerprint(2)])
    merge_tracks(importer.databases, new.track_id, [old.track_id])
    assert find(importer, None, [fingerprint(1)]) == [[new]]
    assert find(importer, place, [fingerprint(1)]) == [[new]]
    update(importer, place)
    assert open_store(place).position() == 8
    [row] = open_store(place).find([1]).rows.values()
    assert (row.track_id, str(UUID(bytes=row.track_gid))) == (new.track_id, new.gid)
    assert find(importer, place, [fingerprint(1)]) == [[new]]


def test_a_deleted_fingerprint_is_no_hit_before_and_after_the_update(
    importer: Importer, place: Path
) -> None:
    update(importer, place)
    with importer.databases.engine("fingerprint").begin() as connection:
        connection.execute(sa.delete(tables.fingerprint).where(tables.fingerprint.c.id == 3))
    assert find(importer, place, COPIES)[2] == []
    update(importer, place)
    assert open_store(place).find([3]).missing == [3]
    assert find(importer, place, COPIES)[2] == []


def test_a_store_of_another_database_is_not_read(importer: Importer, place: Path) -> None:
    importer.update_index()
    row = StoreRow(200, 99, bytes(16), fingerprint(1))
    for position in (7, 1000):  # as far as this database, and farther
        with open_store_writer(place) as writer:
            writer.apply({1: row}, position, 1)
            with pytest.raises(OtherDatabaseError, match="store rebuild"):
                update_followers([StoreCopy(writer)], importer.databases, failed=raise_failure)
        assert find(importer, place, COPIES) == find(importer, None, COPIES)


def test_a_store_of_another_database_is_not_written(importer: Importer, place: Path) -> None:
    with open_store_writer(place) as writer:
        writer.apply({}, 3, 1)
    update(importer, place)
    assert open_store(place).reached() == (3, 1)
    with open_store_writer(place) as writer:
        rebuild_follower(StoreCopy(writer), importer.databases, lambda _: None)
    assert find(importer, place, COPIES) == find(importer, None, COPIES)


def test_lookups_and_the_index_work_with_a_damaged_store(importer: Importer, place: Path) -> None:
    update(importer, place)
    expected = find(importer, None, COPIES)
    with open_store_writer(place) as store:
        (place / "manifest").write_bytes(b"damaged")
        assert find(importer, place, COPIES) == expected
        store.close()
        importer.run(importer.receipt(fingerprint(50)), index=False)
        with open_writer(importer.index_path) as writer:
            assert update_index(writer, importer.databases, followers=[StoreCopy(store)]) == 8


def test_a_rebuilt_store_has_fingerprints_of_the_meantime(importer: Importer, place: Path) -> None:
    read: list[int] = []

    def progress(count: int) -> None:
        read.append(count)
        if len(read) == 1:
            importer.run(importer.receipt(fingerprint(50)), index=False)

    with open_store_writer(place) as writer:
        assert rebuild_follower(StoreCopy(writer), importer.databases, progress) == 8
    assert sum(read) >= 7
    assert open_store(place).find(range(1, 9)).missing == []
    assert verify_store(place) == []
