"""Metrics on a real UDP socket."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pipeline.runtime.statsd_metrics import Gauge, Metrics, connect_metrics, label
from pipeline.settings.sections import StatsdSettings

DOCUMENT = Path(__file__).parents[3] / "docs" / "metrics.md"

EVERY_CALL: list[tuple[Callable[[Metrics], None], list[str]]] = [
    (
        lambda m: m.api_request("lookup", "POST", 200, 0.25),
        [
            "api.requests_total.lookup.post.200:1|c",
            "api.request_duration_seconds.lookup.post:250.000000|ms",
        ],
    ),
    (
        lambda m: m.musicbrainz_replication(190_000, 5400.5),
        [
            "musicbrainz_replication_sequence:190000|g",
            "musicbrainz_replication_lag_seconds:5400.5|g",
        ],
    ),
    (lambda m: m.nats_messages("received", 3), ["nats.messages_total.received:3|c"]),
    (lambda m: m.nats_waiting(4), ["nats.waiting_messages:4|g"]),
    (lambda m: m.nats_unacknowledged(5), ["nats.unacknowledged_messages:5|g"]),
    (lambda m: m.nats_announced(6), ["nats.announced_total:6|c"]),
    (lambda m: m.nats_announcements_waiting(7), ["nats.announcements_waiting:7|g"]),
    (lambda m: m.nats_reconnects(1), ["nats.reconnects_total:1|c"]),
    (lambda m: m.lookup_search(hit=False), ["api.lookup.searches.total:1|c"]),
    (
        lambda m: m.lookup_search(hit=False, partial=True),
        ["api.lookup.searches.total:1|c", "api.lookup.partial_total:1|c"],
    ),
    (
        lambda m: m.lookup_search(hit=True),
        ["api.lookup.searches.total:1|c", "api.lookup.matches.total:1|c"],
    ),
    (
        lambda m: m.lookup_search(hit=True, excerpt=True),
        ["api.excerpt.searches.total:1|c", "api.excerpt.matches.total:1|c"],
    ),
    (
        lambda m: m.second_chances(5, found=2),
        ["api.lookup.second_chances.total:5|c", "api.lookup.second_chance_matches.total:2|c"],
    ),
    (lambda m: m.second_chances(5, found=0), ["api.lookup.second_chances.total:5|c"]),
    (lambda m: m.new_submissions(3), ["new_submissions:3|c"]),
    (lambda m: m.imported_submissions(2), ["imported_submissions:2|c"]),
    (lambda m: m.duration_mismatches(2), ["duration_mismatch_submissions:2|c"]),
    (lambda m: m.submissions_ended("rejected"), ["rejected_submissions:1|c"]),
    (lambda m: m.submissions_ended("failed", 4), ["failed_submissions:4|c"]),
    (lambda m: m.handled_error(14), ["api.handled_errors_total.14:1|c"]),
    (lambda m: m.unhandled_error(), ["api.unhandled_errors_total:1|c"]),
    (lambda m: m.rate_limit_exceeded("ip"), ["api.rate_limit_exceeded_total.ip:1|c"]),
    (lambda m: m.rate_limit_unavailable(), ["api.rate_limit_unavailable_total:1|c"]),
    (
        lambda m: m.metadata_unavailable(),
        ["api.lookup.metadata_unavailable_total:1|c"],
    ),
    (
        lambda m: m.task_enqueued("tasks.lookup.score"),
        ["tasks_enqueued_total.tasks_lookup_score:1|c"],
    ),
    (lambda m: m.task_started("t"), ["tasks_started_total.t:1|c"]),
    (
        lambda m: m.task_finished("t", 0.0015),
        ["tasks_finished_total.t:1|c", "tasks_duration.t:1.500000|ms"],
    ),
    (lambda m: m.task_retried("t"), ["tasks_retried_total.t:1|c"]),
    (
        lambda m: m.transient_failure("database"),
        ["tasks_transient_failures_total.database:1|c"],
    ),
    (
        lambda m: m.task_failed("t", 2),
        ["tasks_failed_total.t:1|c", "tasks_duration.t:2000.000000|ms"],
    ),
    (
        lambda m: m.batch_size("score", 17),
        ["pipeline.batches_total.score:1|c", "pipeline.batch_items_total.score:17|c"],
    ),
    (lambda m: m.queue_depth("lookup", 5), ["queue_depth.lookup:5|g"]),
    (lambda m: m.pending_submissions(7), ["pending_submissions:7|g"]),
    (lambda m: m.queue_age("lookup", 1.5), ["queue_age_seconds.lookup:1.5|g"]),
    (lambda m: m.clock_difference("worker", -1.5), ["clock_difference.worker:1500.000000|ms"]),
    (lambda m: m.clock_difference("beat", None), []),
    (lambda m: m.pruned("receipts", 5), ["retention.pruned_total.receipts:5|c"]),
    (lambda m: m.gauge("track_all", 9), ["track_all:9|g"]),
]


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """Return a UDP socket that metrics can be sent to."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.settimeout(5)
        yield bound


@pytest.fixture
def metrics(server: socket.socket) -> Iterator[Metrics]:
    """Return metrics that are sent to the server."""
    sent = connect_metrics(StatsdSettings(host="127.0.0.1", port=server.getsockname()[1]))
    with closing(sent):
        yield sent


@pytest.mark.parametrize(("call", "packets"), EVERY_CALL)
def test_every_metric_is_sent_with_its_name(
    call: Callable[[Metrics], None],
    packets: list[str],
    metrics: Metrics,
    server: socket.socket,
) -> None:
    """Each method sends these packets, times in milliseconds, under the prefix."""
    call(metrics)
    received = [server.recv(1024).decode("ascii") for _ in packets]
    assert received == [f"acoustid.{packet}" for packet in packets]


def test_the_prefix_is_configurable(server: socket.socket) -> None:
    """Names begin with the configured prefix."""
    settings = StatsdSettings(host="127.0.0.1", port=server.getsockname()[1], prefix="my.site")
    with closing(connect_metrics(settings)) as sent:
        sent.new_submissions()
    assert server.recv(1024) == b"my.site.new_submissions:1|c"


def test_an_ipv6_server_is_reached() -> None:
    """The server's address may be of IPv6."""
    with closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as bound:
        bound.bind(("::1", 0))
        bound.settimeout(5)
        settings = StatsdSettings(host="::1", port=bound.getsockname()[1])
        with closing(connect_metrics(settings)) as sent:
            sent.new_submissions()
        assert bound.recv(1024) == b"acoustid.new_submissions:1|c"


@pytest.mark.parametrize("call", [call for call, _ in EVERY_CALL])
def test_without_a_host_nothing_is_sent(call: Callable[[Metrics], None]) -> None:
    """Without a host no method sends a packet."""
    silent = connect_metrics(StatsdSettings())
    call(silent)
    silent.close()


@pytest.mark.parametrize("call", [call for call, _ in EVERY_CALL])
def test_a_lost_packet_raises_no_error(
    call: Callable[[Metrics], None],
) -> None:
    """Neither a refused packet nor a closed socket raises an error."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    sent = connect_metrics(StatsdSettings(host="127.0.0.1", port=port))
    call(sent)
    call(sent)
    sent.close()
    call(sent)


def test_packets_that_do_not_fit_into_the_socket_are_dropped(
    metrics: Metrics, server: socket.socket
) -> None:
    """While the server reads nothing, no call raises an error; it receives the first packets."""
    for _ in range(20_000):
        metrics.new_submissions()
    assert server.recv(1024) == b"acoustid.new_submissions:1|c"


def test_an_unknown_host_is_logged_and_turns_metrics_off() -> None:
    """A host that cannot be resolved turns metrics off with one warning."""
    with capture_logs() as records:
        sent = connect_metrics(StatsdSettings(host="no-such-host.invalid"))
    sent.new_submissions()
    assert [(each["log_level"], each["host"]) for each in records] == [
        ("warning", "no-such-host.invalid")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lookup", "lookup"),
        ("SubmitHandler", "submithandler"),
        ("tasks.submission.index_update", "tasks_submission_index_update"),
        ("", "other"),
        ("/v2/lookup", "other"),
        ("127.0.0.1", "other"),
        ("2001:db8::1", "other"),
        ("fe80::1", "other"),
        ("8XaBELgH", "other"),
        ("a b", "other"),
        ("é", "other"),
        ("a" * 65, "other"),
        ("a\nb:1|c", "other"),
    ],
)
def test_labels(text: str, expected: str) -> None:
    """Plain words become labels; paths, addresses and other texts become ``other``."""
    assert label(text) == expected


@given(st.text())
def test_a_label_has_letters_digits_and_underscores_only(text: str) -> None:
    """This holds for any text."""
    assert re.fullmatch(r"[a-z][a-z0-9_]*", label(text))


@pytest.mark.parametrize("method", ["FOO", "get\n", "", "a.b:1|c"])
def test_an_unknown_method_is_other(method: str, metrics: Metrics, server: socket.socket) -> None:
    """A client may send any method, so only known ones are labels."""
    metrics.api_request("lookup", method, 405, 0)
    assert server.recv(1024) == b"acoustid.api.requests_total.lookup.other.405:1|c"


def documented() -> set[str]:
    """Return the names in the document's tables, without their labels."""
    rows = re.findall(r"^\| (`.*?) \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"\.<.*", "", name) for row in rows for name in re.findall(r"`(.+?)`", row)}


def test_the_document_lists_all_metrics() -> None:
    """Every metric that can be sent is in the document, and nothing else is."""
    sent = {packet.split(":")[0] for _, packets in EVERY_CALL for packet in packets}
    names = {name for name in documented() for each in sent if (each + ".").startswith(name + ".")}
    assert names | set(get_args(Gauge)) == documented()
    for each in sent:
        assert any((each + ".").startswith(name + ".") for name in documented()), each


def test_a_prefix_with_characters_of_the_protocol_is_refused() -> None:
    """For example one with a colon."""
    with pytest.raises(ValueError, match="letters, digits, dots"):
        StatsdSettings(prefix="a:b|c")
