"""The condition of the connection, and the texts of its problems."""

import socket
import ssl

import pytest
from nats import errors
from structlog.testing import capture_logs

from nats_bridge.link.link_errors import explain_link
from nats_bridge.link.link_state import MOST_TEXTS, LinkState
from nats_bridge.streams.subjects import matches


def test_connections_are_counted_and_problems_end_with_one() -> None:
    link = LinkState()
    link.failed("refused")
    assert (link.connected, link.problem, link.reconnects, link.server) == (
        False,
        "refused",
        0,
        None,
    )
    link.established("a:4222")
    assert (link.connected, link.problem, link.reconnects) == (True, None, 0)
    since = link.since
    link.lost("reset")
    assert (link.connected, link.problem, link.server) == (False, "reset", "a:4222")
    assert link.since >= since
    link.lost("ignored")
    assert link.problem == "reset"
    link.established("b:4222")
    assert (link.reconnects, link.server) == (1, "b:4222")
    link.ended()
    assert (link.connected, link.problem) == (False, None)


def test_a_problem_is_logged_once_until_the_next_connection() -> None:
    link = LinkState()
    with capture_logs() as logs:
        for _ in range(50):
            link.failed("a")
            link.failed("b")
        link.established("a:4222")
        link.failed("a")
    assert [each.get("problem") for each in logs] == ["a", "b", None, "a"]


def test_many_different_problems_need_bounded_memory() -> None:
    link = LinkState()
    with capture_logs() as logs:
        for number in range(3 * MOST_TEXTS):
            link.failed(str(number))
    assert len(logs) == 3 * MOST_TEXTS


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (errors.Error("nats: 'Authorization Violation'"), "the server refuses the log-in: check"),
        (errors.Error("nats: 'User Authentication Expired'"), "check [nats] credentials"),
        (errors.Error("nats: 'Maximum Connections Exceeded'"), "Maximum Connections Exceeded"),
        (errors.Error("nats: " + "x" * 5000), "x" * 300),
        (errors.TimeoutError(), "does not answer in time"),
        (TimeoutError(), "does not answer in time"),
        (errors.UnexpectedEOF(), "the server closed the connection"),
        (ConnectionRefusedError(111, "secret"), "unreachable (Connection refused)"),
        (socket.gaierror(-2, "Name or service not known"), "host in [nats] servers is unknown"),
        (ssl.SSLError(1, "handshake"), "TLS failed"),
        (ValueError("secret"), "unexpected error ValueError"),
    ],
)
def test_errors_have_short_texts_without_values(error: Exception, text: str) -> None:
    found = explain_link(error)
    assert text in found
    assert "secret" not in found
    assert len(found) <= 400


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.c", False),
        ("a", "a.b", False),
        ("a.b", "a", False),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("*.b", "a.b", True),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        (">", "a.b", True),
    ],
)
def test_wildcards_of_subjects(pattern: str, subject: str, expected: bool) -> None:
    assert matches(pattern, subject) is expected
