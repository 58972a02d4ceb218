"""Writing: positions, lost replies, other writers, rebuilds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgpack
import pytest

from pipeline.index import Delete, Insert, StalePosition
from pipeline.index_http import HttpIndexUpdater, IndexUnavailable, RequestRefused, updater
from pipeline.index_http.protocol import POSITION_KEY
from pipeline.index_http.updater import MissingIds
from tests.unit.index.model import terms
from tests.unit.index_http.plain_server import INDEX, Broken, PlainServer

if TYPE_CHECKING:
    from collections.abc import Iterator

UPDATE = f"POST /{INDEX}/_update"


@pytest.fixture
def writer(server: PlainServer) -> Iterator[HttpIndexUpdater]:
    with HttpIndexUpdater(server.client()) as writer:
        yield writer


def position(server: PlainServer) -> int:
    return int(server.metadata.get(POSITION_KEY, "0"))


def once(server: PlainServer, line: str) -> None:
    """Break the connection after the next such request was processed."""

    def fault(seen: str) -> None:
        if seen == line:
            server.after = lambda _: None
            raise Broken

    server.after = fault


def test_a_missing_index_is_created(server: PlainServer) -> None:
    server.exists = False
    with HttpIndexUpdater(server.client()) as writer:
        assert server.exists
        assert writer.position() == 0


def test_an_existing_index_is_not_changed(writer: HttpIndexUpdater, server: PlainServer) -> None:
    assert server.requests == [f"GET /{INDEX}"]
    assert writer.position() == 0


def test_changes_and_their_position_are_one_commit(
    writer: HttpIndexUpdater, server: PlainServer
) -> None:
    writer.apply([Insert(1, terms(3, 4)), Insert(2, terms(5)), Insert(1, terms(6))], 7)
    writer.apply([Delete(2), Delete(3)], 9)
    assert server.documents == {1: frozenset({6})}
    assert (position(server), server.version) == (9, 2)
    assert writer.position() == 9
    assert server.requests.count(f"GET /{INDEX}") == 1


def test_an_empty_batch_is_committed_only_for_a_new_position(
    writer: HttpIndexUpdater, server: PlainServer
) -> None:
    writer.apply([], 0)
    assert server.version == 0
    writer.apply([], 4)
    assert position(server) == 4


def test_a_lower_position_is_refused(writer: HttpIndexUpdater) -> None:
    writer.apply([], 4)
    with pytest.raises(StalePosition):
        writer.apply([Delete(1)], 3)


def test_a_large_batch_is_split_and_the_position_comes_last(
    writer: HttpIndexUpdater, server: PlainServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updater, "MAX_WEIGHT", 12)
    writer.apply([], 2)
    seen = []
    server.after = lambda _: seen.append((position(server), len(server.documents)))
    writer.apply([Insert(id_, terms(1, 2)) for id_ in range(1, 6)], 7)
    assert seen == [(2, 2), (2, 4), (7, 5)]


@pytest.mark.parametrize("fault", ["reset", "garbage", "unavailable"])
def test_a_commit_with_a_lost_reply_is_recognised_by_its_position(
    fault: str, writer: HttpIndexUpdater, server: PlainServer
) -> None:
    if fault == "reset":
        once(server, UPDATE)
    else:
        reply = (200, b"?") if fault == "garbage" else (503, msgpack.packb({"e": "Busy"}))
        server.before = lambda line: reply if line == UPDATE else None
    with pytest.raises(IndexUnavailable):
        writer.apply([Insert(1, terms(1))], 5)
    server.before = lambda _: None
    arrived = fault == "reset"
    assert writer.position() == (5 if arrived else 0)
    writer.apply([Insert(1, terms(1))], 5)
    assert (position(server), server.documents) == (5, {1: frozenset({1})})


def test_a_conflict_without_a_new_position_is_retried(
    writer: HttpIndexUpdater, server: PlainServer
) -> None:
    server.version += 3
    writer.apply([Insert(1, terms(1))], 5)
    assert (position(server), server.version) == (5, 4)


def test_a_commit_of_another_writer_with_the_same_position_counts(
    writer: HttpIndexUpdater, server: PlainServer
) -> None:
    with HttpIndexUpdater(server.client()) as another:
        another.apply([Insert(1, terms(1))], 5)
    writer.apply([Insert(1, terms(1))], 5)
    assert server.version == 1
    assert writer.position() == 5


@pytest.mark.parametrize("there", ["4", "9"])
def test_another_position_of_another_writer_is_an_error(
    there: str, writer: HttpIndexUpdater, server: PlainServer
) -> None:
    server.version += 1
    server.metadata = {POSITION_KEY: there}
    with pytest.raises(IndexUnavailable, match="another writer"):
        writer.apply([Insert(1, terms(1))], 5)
    assert server.documents == {}
    assert writer.position() == int(there)


def test_repeated_conflicts_are_an_error(writer: HttpIndexUpdater, server: PlainServer) -> None:
    def move(line: str) -> None:
        server.version += line == UPDATE

    server.before = move
    with pytest.raises(IndexUnavailable, match="other writers keep changing"):
        writer.apply([], 5)
    assert position(server) == 0


def test_a_deleted_index_is_created_again(writer: HttpIndexUpdater, server: PlainServer) -> None:
    writer.apply([Insert(1, terms(1))], 5)
    server.exists, server.metadata, server.version = False, {}, 0
    with pytest.raises(IndexUnavailable, match="deleted"):
        writer.apply([Insert(2, terms(1))], 6)
    assert writer.position() == 0


def test_a_read_only_server_refuses_writes(writer: HttpIndexUpdater, server: PlainServer) -> None:
    refusal = (403, msgpack.packb({"e": "FeedIsReadOnly"}))
    server.before = lambda line: refusal if line == UPDATE else None
    with pytest.raises(RequestRefused, match="FeedIsReadOnly"):
        writer.apply([], 5)


def test_a_rebuild_overwrites_documents_and_deletes_the_others(
    writer: HttpIndexUpdater, server: PlainServer
) -> None:
    old = {id_: frozenset({id_}) for id_ in (2, 3, 5, 8, 9)}
    writer.apply([Insert(id_, terms(*held)) for id_, held in old.items()], 5)
    seen = []
    server.after = lambda line: seen.append(position(server)) if line == UPDATE else None
    batches = [[Insert(1, terms(1)), Insert(3, terms(33))], [Insert(8, terms(8))]]
    writer.rebuild(batches, 7)
    assert server.documents == {1: frozenset({1}), 3: frozenset({33}), 8: frozenset({8})}
    assert seen == [5, 5, 5, 5, 7]
    assert writer.position() == 7


def test_searches_find_all_documents_during_a_rebuild(
    writer: HttpIndexUpdater, server: PlainServer
) -> None:
    kept = range(1, 40)
    writer.apply([Insert(id_, terms(1)) for id_ in range(1, 60)], 5)
    server.after = lambda _: seen.append(set(kept) <= server.documents.keys())
    seen: list[bool] = []
    writer.rebuild([[Insert(id_, terms(2))] for id_ in kept], 5)
    assert seen
    assert all(seen)
    assert server.documents.keys() == set(kept)


def test_an_index_ahead_of_its_database_is_at_position_0_during_the_rebuild(
    writer: HttpIndexUpdater, server: PlainServer
) -> None:
    writer.apply([Insert(1, terms(1))], 50)

    def interrupted() -> Iterator[list[Insert]]:
        yield [Insert(2, terms(2))]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writer.rebuild(interrupted(), 7)
    assert position(server) == 0
    writer.rebuild([[Insert(2, terms(2))]], 7)
    assert (position(server), server.documents) == (7, {2: frozenset({2})})


def test_a_rebuild_retries_a_commit_after_a_conflict(
    writer: HttpIndexUpdater, server: PlainServer
) -> None:
    """The position is the same before and after the commit, so it cannot identify the commit."""
    server.version += 1
    writer.rebuild([[Insert(1, terms(1))]], 0)
    assert server.documents == {1: frozenset({1})}


def test_close_releases_the_lock_once(server: PlainServer) -> None:
    released = []
    writer = HttpIndexUpdater(server.client(), lambda: released.append(1))
    writer.close()
    writer.close()
    assert released == [1]


def test_an_unreachable_server_is_an_error(server: PlainServer) -> None:
    server.before = lambda _: (503, b"")
    with pytest.raises(IndexUnavailable, match="503"):
        HttpIndexUpdater(server.client())


def test_missing_ids_come_in_chunks() -> None:
    missing = MissingIds(3, 12)
    missing.add_present([1, 4, 5, 12])
    missing.add_present([9, 40])
    missing.add_present([])
    assert list(missing.chunks(4)) == [[3, 6], [7, 8, 10], [11]]


def test_an_empty_range_has_no_missing_ids() -> None:
    missing = MissingIds(0, 0)
    missing.add_present([1, 2])
    assert list(missing.chunks(10)) == []
