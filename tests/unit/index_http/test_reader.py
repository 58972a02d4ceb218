"""Searches on one server and on several, with faults."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import msgpack
import numpy as np
import pytest

from cli.stack.servers.ports import free_port
from pipeline.index import (
    ChangelogState,
    FingerprintIndex,
    IndexStats,
    SearchTimeout,
    StateRefused,
)
from pipeline.index_http import HttpIndexReader, IndexServerClient, IndexUnavailable, RequestRefused
from pipeline.index_http import reader as reader_module
from pipeline.index_http.client import PATIENCE
from pipeline.index_http.protocol import POSITION_KEY
from tests.unit.index.model import answer, pairs, terms
from tests.unit.index_http.plain_server import INDEX, Broken, PlainServer, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

QUERY = terms(1, 2, 3)
FOUND = [(5, 2)]


@pytest.fixture(autouse=True)
def _filled(server: PlainServer, other: PlainServer) -> None:
    for each in (server, other):
        each.documents = {5: frozenset({1, 2}), 6: frozenset({9})}
        each.metadata = {POSITION_KEY: "10"}


@pytest.fixture
def one(server: PlainServer) -> Iterator[HttpIndexReader]:
    with HttpIndexReader([server.client()]) as reader:
        yield reader


@pytest.fixture
def both(server: PlainServer, other: PlainServer) -> Iterator[HttpIndexReader]:
    with HttpIndexReader([server.client(), other.client()]) as reader:
        yield reader


def unreachable_client() -> IndexServerClient:
    return IndexServerClient("127.0.0.1", free_port(), INDEX)


def at(server: PlainServer, position: int) -> None:
    server.metadata = {POSITION_KEY: str(position)}


def test_the_reader_is_a_fingerprint_index(one: HttpIndexReader) -> None:
    index: FingerprintIndex = one
    assert index.position() == 10
    assert index.stats() == IndexStats(10, 2, 1, 0, 5, 6)


def test_a_batch_is_answered_in_order(server: PlainServer) -> None:
    random = np.random.default_rng(1)
    server.documents = {
        id_: frozenset(random.integers(0, 50, 20).tolist()) for id_ in range(1, 200)
    }
    queries = [random.integers(0, 60, random.integers(0, 20), np.uint32) for _ in range(60)]
    with HttpIndexReader([server.client(3)], connections=3) as reader:
        hits = reader.search(queries, limit=7, min_score=3, score_pct=40)
    expected = [answer(server.documents, query.tolist(), 7, 3, 40) for query in queries]
    assert [pairs(each) for each in hits] == expected


def test_empty_queries_send_no_request(one: HttpIndexReader, server: PlainServer) -> None:
    assert one.search([]) == []
    assert [pairs(hits) for hits in one.search([terms(), terms()])] == [[], []]
    assert server.requests == []


def test_the_timeout_is_sent_to_the_server(one: HttpIndexReader, server: PlainServer) -> None:
    """It gets a little less time than the client has, so that its error arrives in time."""
    one.search([QUERY], timeout=0.75)
    one.search([QUERY], timeout=60)
    with HttpIndexReader([server.client()], timeout=60) as patient:
        patient.search([QUERY])
    sent = [each["t"] for each in server.searches]
    assert 600 < sent[0] <= 675
    assert 4400 < sent[1] <= 4500  # the reader's own timeout is 5 s
    assert sent[2] == 10_000


def test_a_partial_answer_of_a_server_is_marked(one: HttpIndexReader, server: PlainServer) -> None:
    for reply, partial in (
        ({"r": [{"i": 5, "s": 2}], "p": True}, True),
        ({"results": [{"id": 5, "score": 2}], "partial": True}, True),
        ({"r": [{"i": 5, "s": 2}], "p": False}, False),
        ({"r": [{"i": 5, "s": 2}]}, False),
    ):
        server.before = lambda _, reply=reply: (200, msgpack.packb(reply))
        [hits] = one.search([QUERY])
        assert (pairs(hits), hits.partial) == (FOUND, partial)


def test_connections_are_reused(server: PlainServer) -> None:
    opened = []
    accept = server.get_request
    server.get_request = lambda: opened.append(1) or accept()  # type: ignore[func-returns-value]
    with HttpIndexReader([server.client(2)], connections=2) as reader:
        for _ in range(5):
            reader.search([QUERY] * 10)
    assert len(opened) <= 2


def test_a_missing_index_is_empty(one: HttpIndexReader, server: PlainServer) -> None:
    server.exists = False
    assert pairs(one.search([QUERY])[0]) == []
    assert one.position() == 0
    assert one.stats() == IndexStats(0, 0, 0, 0)


def hang_up(_line: str) -> None:
    raise Broken


FAULTS: dict[str, Callable[[str], tuple[int, bytes] | None]] = {
    "reset": hang_up,
    "not ready": lambda _: (503, msgpack.packb({"e": "IndexNotReady"})),
    "failing": lambda _: (500, msgpack.packb({"e": "OutOfMemory"})),
    "no error of the protocol": lambda _: (404, b"<h1>Not Found</h1>"),
    "garbage": lambda _: (200, b"<h1>Welcome</h1>"),
    "another reply": lambda _: (200, msgpack.packb({"x": 1})),
    "elsewhere": lambda _: (302, b""),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_another_server_answers_after_a_failure(
    fault, both: HttpIndexReader, server: PlainServer, other: PlainServer
) -> None:
    server.before = fault
    assert [pairs(hits) for hits in both.search([QUERY] * 3)] == [FOUND] * 3
    assert both.position() == 10
    assert len(other.searches) == 3


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_without_another_server_a_failure_is_index_unavailable(
    fault, one: HttpIndexReader, server: PlainServer
) -> None:
    server.before = fault
    with pytest.raises(IndexUnavailable, match=f"127.0.0.1:{server.server_port}: "):
        one.search([QUERY] * 8)
    with pytest.raises(IndexUnavailable):
        one.position()
    server.before = lambda _: None
    assert pairs(one.search([QUERY])[0]) == FOUND


def too_slow(_line: str) -> tuple[int, bytes]:
    return 503, msgpack.packb({"e": "SearchTimeout"})


def test_an_expensive_search_is_a_timeout_and_no_failure_of_the_servers(
    both: HttpIndexReader, server: PlainServer, other: PlainServer
) -> None:
    server.before = too_slow
    assert pairs(both.search([QUERY])[0]) == FOUND
    other.before = too_slow
    with pytest.raises(SearchTimeout, match="SearchTimeout"):
        both.search([QUERY])
    server.before, asked = other.before, len(other.requests)
    server.before = lambda _: None
    assert pairs(both.search([QUERY])[0]) == FOUND
    assert len(other.requests) == asked  # the preferred server has kept its place


def test_too_little_time_is_a_timeout_and_no_failure_of_the_server(
    both: HttpIndexReader, server: PlainServer, other: PlainServer
) -> None:
    go_on = threading.Event()
    server.before = other.before = lambda _: go_on.wait(30) and None  # type: ignore[func-returns-value]
    with pytest.raises(SearchTimeout, match="did not answer in time"):
        both.search([QUERY], timeout=0.1)
    go_on.set()
    assert pairs(both.search([QUERY])[0]) == FOUND
    assert server.requests == ["POST /main/_search"] * 2


def test_a_failed_server_gets_no_requests_for_a_while(server: PlainServer) -> None:
    unreachable = unreachable_client()
    with HttpIndexReader([unreachable, server.client()]) as reader:
        assert pairs(reader.search([QUERY])[0]) == FOUND
        with serving(int(unreachable.address.rpartition(":")[2])) as back:
            assert pairs(reader.search([QUERY])[0]) == FOUND
            assert back.requests == []


def test_a_resting_server_is_used_if_all_others_fail(
    both: HttpIndexReader, server: PlainServer, other: PlainServer
) -> None:
    server.before = hang_up
    both.search([QUERY])
    server.before, other.before = other.before, hang_up
    assert pairs(both.search([QUERY])[0]) == FOUND


def test_a_hanging_server_uses_only_its_share_of_the_time(
    both: HttpIndexReader, server: PlainServer
) -> None:
    go_on = threading.Event()
    server.before = lambda _: go_on.wait(30) and None  # type: ignore[func-returns-value]
    assert pairs(both.search([QUERY], timeout=0.4)[0]) == FOUND
    go_on.set()


def test_a_silent_server_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        silent = IndexServerClient("127.0.0.1", mute.getsockname()[1], INDEX)
        with (
            HttpIndexReader([silent], timeout=PATIENCE + 0.05) as reader,
            pytest.raises(IndexUnavailable, match="did not answer in time"),
        ):
            reader.search([QUERY])


def test_a_passed_deadline_sends_no_request(one: HttpIndexReader, server: PlainServer) -> None:
    with pytest.raises(SearchTimeout):
        one.search([QUERY], timeout=0)
    assert server.requests == []


def test_a_refused_request_is_not_sent_to_another_server(
    both: HttpIndexReader, server: PlainServer, other: PlainServer
) -> None:
    server.before = lambda _: (400, msgpack.packb({"e": "InvalidIndexName"}))
    with pytest.raises(RequestRefused, match="InvalidIndexName"):
        both.search([QUERY])
    assert other.requests == []


def test_a_search_finds_everything_up_to_the_reported_position(
    both: HttpIndexReader, server: PlainServer, other: PlainServer
) -> None:
    """A lagging replica does not answer until it has reached the position."""
    at(other, 9)
    other.documents = {}
    assert both.position() == 10
    server.before = hang_up
    with pytest.raises(IndexUnavailable, match="at position 9, behind"):
        both.search([QUERY])
    at(other, 11)
    other.documents = {7: frozenset({1})}
    assert pairs(both.search([QUERY])[0]) == [(7, 1)]
    assert both.position() == 11


def test_the_position_does_not_fall_when_another_server_answers(
    both: HttpIndexReader, server: PlainServer, other: PlainServer
) -> None:
    at(other, 9)
    assert both.position() == 10
    server.before = hang_up
    with pytest.raises(IndexUnavailable):
        both.position()


def test_without_a_reported_position_a_lagging_replica_may_answer(
    both: HttpIndexReader, server: PlainServer, other: PlainServer
) -> None:
    at(other, 3)
    server.before = hang_up
    assert pairs(both.search([QUERY])[0]) == FOUND


def test_a_deleted_index_is_not_empty_after_its_position_was_reported(
    one: HttpIndexReader, server: PlainServer
) -> None:
    assert one.position() == 10
    server.exists = False
    with pytest.raises(IndexUnavailable, match="no longer has"):
        one.search([QUERY])
    assert one.position() == 0
    assert pairs(one.search([QUERY])[0]) == []


def test_a_server_whose_state_is_refused_is_not_searched(
    both: HttpIndexReader, server: PlainServer, other: PlainServer
) -> None:
    def is_at_10(state: ChangelogState | None) -> bool:
        return state is not None and state.position == 10

    at(server, 3)
    [hits] = both.search([QUERY], accept=is_at_10)
    assert pairs(hits) == FOUND
    assert "POST /main/_search" not in server.requests
    with pytest.raises(StateRefused) as refusal:
        both.search([QUERY], accept=lambda _state: False)
    assert refusal.value.state is not None
    assert refusal.value.state.position == 10
    other.exists = False
    with pytest.raises(StateRefused) as refusal:
        both.search([QUERY], accept=is_at_10)
    assert refusal.value.state is None


def test_searches_request_the_state_at_intervals(
    one: HttpIndexReader, server: PlainServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        one.search([QUERY], accept=lambda _state: True)
    assert server.requests == ["GET /main", *["POST /main/_search"] * 3]
    monkeypatch.setattr(reader_module, "STATE_MAX_AGE", 0.0)
    one.search([QUERY], accept=lambda _state: True)
    assert server.requests[4:] == ["GET /main", "POST /main/_search"]
