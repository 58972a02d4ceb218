"""Writes: each commit with its position, whatever becomes of the replies."""

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
    """Break the connection after the next such request was carried out."""

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


def test_an_existing_index_is_left_as_it_is(writer: HttpIndexUpdater, server: PlainServer) -> None:
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


def test_nothing_new_is_no_commit_and_a_position_alone_is_one(
    writer: HttpIndexUpdater, server: PlainServer
) -> None:
    writer.apply([], 0)
    assert server.version == 0
    writer.apply([], 4)
    assert position(server) == 4


def test_a_position_that_was_passed_is_refused(writer: HttpIndexUpdater) -> None:
    writer.apply([], 4)
    with pytest.raises(StalePosition):
        writer.apply([Delete(1)], 3)


def test_what_a_server_may_not_take_at_once_comes_in_parts_and_the_position_last(
    writer: HttpIndexUpdater, server: PlainServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updater, "MAX_WEIGHT", 12)
    writer.apply([], 2)
    seen = []
    server.after = lambda _: seen.append((position(server), len(server.documents)))
    writer.apply([Insert(id_, terms(1, 2)) for id_ in range(1, 6)], 7)
    assert seen == [(2, 2), (2, 4), (7, 5)]


@pytest.mark.parametrize("fault", ["reset", "garbage", "unavailable"])
def test_a_commit_whose_reply_got_lost_is_known_by_its_position(
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


def test_a_conflict_about_something_else_is_settled_by_trying_again(
    writer: HttpIndexUpdater, server: PlainServer
) -> None:
    server.version += 3
    writer.apply([Insert(1, terms(1))], 5)
    assert (position(server), server.version) == (5, 4)


def test_another_writer_at_the_same_position_has_done_the_work(
    writer: HttpIndexUpdater, server: PlainServer
) -> None:
    with HttpIndexUpdater(server.client()) as another:
        another.apply([Insert(1, terms(1))], 5)
    writer.apply([Insert(1, terms(1))], 5)
    assert server.version == 1
    assert writer.position() == 5


@pytest.mark.parametrize("there", ["4", "9"])
def test_another_writer_elsewhere_makes_the_changes_out_of_date(
    there: str, writer: HttpIndexUpdater, server: PlainServer
) -> None:
    server.version += 1
    server.metadata = {POSITION_KEY: there}
    with pytest.raises(IndexUnavailable, match="another writer"):
        writer.apply([Insert(1, terms(1))], 5)
    assert server.documents == {}
    assert writer.position() == int(there)


def test_endless_conflicts_are_given_up(writer: HttpIndexUpdater, server: PlainServer) -> None:
    def move(line: str) -> None:
        server.version += line == UPDATE

    server.before = move
    with pytest.raises(IndexUnavailable, match="other writers keep changing"):
        writer.apply([], 5)
    assert position(server) == 0


def test_an_index_deleted_meanwhile_begins_anew(
    writer: HttpIndexUpdater, server: PlainServer
) -> None:
    writer.apply([Insert(1, terms(1))], 5)
    server.exists, server.metadata, server.version = False, {}, 0
    with pytest.raises(IndexUnavailable, match="deleted"):
        writer.apply([Insert(2, terms(1))], 6)
    assert writer.position() == 0


def test_a_server_that_takes_no_writes_says_so(
    writer: HttpIndexUpdater, server: PlainServer
) -> None:
    refusal = (403, msgpack.packb({"e": "FeedIsReadOnly"}))
    server.before = lambda line: refusal if line == UPDATE else None
    with pytest.raises(RequestRefused, match="FeedIsReadOnly"):
        writer.apply([], 5)


def test_a_rebuild_writes_over_what_is_there_and_takes_the_rest_away(
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


def test_nothing_is_missing_while_an_index_is_rebuilt(
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


def test_an_index_ahead_of_its_database_claims_nothing_until_it_is_rebuilt(
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


def test_a_commit_of_a_rebuild_is_sent_again_when_its_reply_got_lost(
    writer: HttpIndexUpdater, server: PlainServer
) -> None:
    """Its position does not tell it from the one before, so it can't be known by that."""
    server.version += 1
    writer.rebuild([[Insert(1, terms(1))]], 0)
    assert server.documents == {1: frozenset({1})}


def test_closing_lets_another_writer_in_once(server: PlainServer) -> None:
    released = []
    writer = HttpIndexUpdater(server.client(), lambda: released.append(1))
    writer.close()
    writer.close()
    assert released == [1]


def test_a_server_that_is_away_when_it_is_opened(server: PlainServer) -> None:
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
