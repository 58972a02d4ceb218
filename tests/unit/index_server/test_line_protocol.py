"""The commands of the line protocol, without a socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from index_server.line_protocol.session import LineProtocolSession
from index_server.prometheus_metrics import IndexServerMetrics
from index_server.registry import CreateRequest, IndexRegistry


@pytest.fixture
def indexes(tmp_path: Path) -> Iterator[IndexRegistry]:
    """The registry of a server with the index `main`."""
    indexes = IndexRegistry(tmp_path, IndexServerMetrics())
    indexes.create("main", CreateRequest())
    yield indexes
    indexes.close()


@pytest.fixture
def session(indexes: IndexRegistry) -> LineProtocolSession:
    """A session on `main`."""
    return LineProtocolSession(indexes, "main")


def answers(session: LineProtocolSession, *lines: str) -> list[str]:
    """Return the replies to some commands."""
    return [session.answer(line) for line in lines]


def insert(session: LineProtocolSession, *lines: str) -> None:
    """Insert in one transaction."""
    assert set(answers(session, "begin", *lines, "commit")) == {"OK "}


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("", "OK "),
        ("   ", "OK "),
        ("echo", "OK "),
        ("echo  a   b", "OK a b"),
        ("ECHO a", "ERR unknown command"),
        ("drop main", "ERR unknown command"),
        ("search", "ERR expected one argument"),
        ("search 1 2", "ERR expected one argument"),
        ("search 1,x", "ERR invalid fingerprint"),
        ("search 1,,2", "ERR invalid fingerprint"),
        ("search 1_0", "ERR invalid fingerprint"),
        ("search 9999999999999999999", "ERR invalid fingerprint"),
        ("search 1", "OK "),
        ("insert 1 1", "ERR not in transaction"),
        ("commit", "ERR not in transaction"),
        ("rollback", "ERR not in transaction"),
        ("optimize", "ERR not in transaction"),
        ("cleanup", "ERR not in transaction"),
        ("get", "ERR expected one argument"),
        ("get attribute a b", "ERR expected one argument"),
        ("get attribute a", "OK "),
        ("get attribute", "OK "),
        ("get max_results", "OK 500"),
        ("get attribute top_score_percent", "OK 10"),
        ("get timeout", "OK 0"),
        ("get idle_timeout", "OK 60000"),
        ("get max_document_id", "OK 0"),
        ("set a", "ERR expected two arguments"),
        ("set attribute a", "ERR not in transaction"),
        ("set a b c", "ERR expected two arguments"),
        ("set max_results -1", "ERR invalid value"),
        ("set max_results 4294967296", "ERR invalid value"),
        ("set attribute timeout 5", "OK "),
        ("set name value", "ERR not in transaction"),
    ],
)
def test_replies_on_a_new_connection(session: LineProtocolSession, line: str, answer: str) -> None:
    assert session.answer(line) == answer


def test_an_invalid_insert_is_an_error(session: LineProtocolSession) -> None:
    assert answers(
        session, "begin", "insert 1", "insert 0 1", "insert 4294967296 1", "insert x 1", "insert 1 "
    ) == [
        "OK ",
        "ERR expected two arguments",
        "ERR invalid document id",
        "ERR invalid document id",
        "ERR invalid document id",
        "ERR expected two arguments",
    ]


def test_results_are_sorted_by_score(session: LineProtocolSession) -> None:
    insert(session, "insert 7 10,20,30", "insert 3 10,20", "insert 5 10,20,30")
    assert session.answer("search 30,20,10,10") == "OK 5:3 7:3 3:2"


def test_terms_are_taken_modulo_2_to_the_32(session: LineProtocolSession) -> None:
    insert(session, "insert 1 -1,4294967298,+3")
    assert session.answer("search 4294967295,2,-4294967293") == "OK 1:3"


def test_a_transaction_is_one_version(session: LineProtocolSession, indexes: IndexRegistry) -> None:
    insert(session, "insert 1 1", "insert 2 2", "set attribute a 1")
    insert(session)
    assert indexes.get("main").version() == 1


def test_changes_are_invisible_before_commit_and_after_rollback(
    session: LineProtocolSession,
) -> None:
    assert answers(session, "begin", "insert 1 9", "set a 1", "search 9", "get a") == ["OK "] * 5
    assert answers(session, "rollback", "search 9", "get a", "commit") == [
        "OK ",
        "OK ",
        "OK ",
        "ERR not in transaction",
    ]


def test_a_second_begin_is_an_error(session: LineProtocolSession) -> None:
    assert answers(session, "begin", "begin", "optimize", "cleanup", "rollback", "begin") == [
        "OK ",
        "ERR already in transaction",
        "OK ",
        "OK ",
        "OK ",
        "OK ",
    ]


def test_a_transaction_has_a_maximum_size(
    session: LineProtocolSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index_server.line_protocol.session.MAX_TRANSACTION", 3)
    assert answers(session, "begin", "insert 1 1,2", "insert 2 3,4", "insert 3 5", "commit") == [
        "OK ",
        "OK ",
        "ERR transaction too large",
        "OK ",
        "OK ",
    ]


def test_max_results_limits_the_results(session: LineProtocolSession) -> None:
    insert(session, "insert 1 1,2", "insert 2 1,2", "insert 3 1,2")
    answers(session, "set max_results 2")
    assert session.answer("search 1,2") == "OK 1:2 2:2"
    answers(session, "set max_results 0")
    assert session.answer("search 1,2") == "OK "


@pytest.mark.parametrize(
    ("percent", "answer"), [(0, "OK 1:3 2:1"), (49, "OK 1:3 2:1"), (50, "OK 1:3"), (300, "OK ")]
)
def test_the_minimum_score_is_rounded_half_up(
    session: LineProtocolSession, percent: int, answer: str
) -> None:
    insert(session, "insert 1 1,2,3", "insert 2 1")
    answers(session, f"set top_score_percent {percent}")
    assert session.answer("search 1,2,3") == answer


def test_attributes_are_the_metadata_of_the_index(
    session: LineProtocolSession, indexes: IndexRegistry
) -> None:
    insert(session, "set attribute last 12", "set other x")
    assert answers(session, "get last", "get attribute other") == ["OK 12", "OK x"]
    assert indexes.get("main").info().metadata == {"last": "12", "other": "x"}


def test_the_highest_id_is_read_from_the_index(session: LineProtocolSession) -> None:
    insert(session, "insert 900 1")
    insert(session, "insert 20 1", "set attribute max_document_id 5")
    assert session.answer("get attribute max_document_id") == "OK 900"


def test_a_deleted_index_fails_commands_and_keeps_the_transaction(
    session: LineProtocolSession, indexes: IndexRegistry
) -> None:
    answers(session, "begin", "insert 1 1")
    indexes.delete("main")
    assert answers(session, "search 1", "get a", "commit") == [
        "ERR search failed",
        "OK ",
        "ERR commit failed",
    ]
    indexes.create("main", CreateRequest())
    assert answers(session, "commit", "search 1") == ["OK ", "OK 1:1"]


def test_invalid_utf_8_is_refused(session: LineProtocolSession) -> None:
    line = b"set a \xff".decode("utf-8", "surrogateescape")
    assert answers(session, "begin", line) == ["OK ", "ERR invalid value"]


def test_the_idle_timeout_can_be_set(session: LineProtocolSession) -> None:
    assert session.idle_timeout == 60
    answers(session, "set idle_timeout 1500")
    assert session.idle_timeout == 1.5
    answers(session, "set idle_timeout 0")
    assert session.idle_timeout is None
