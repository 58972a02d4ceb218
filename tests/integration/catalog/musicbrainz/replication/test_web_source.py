"""Packets are downloaded from a server with a token."""

import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline.catalog.musicbrainz.replication import web_source
from pipeline.catalog.musicbrainz.replication.errors import ReplicationError, SourceUnavailableError
from pipeline.catalog.musicbrainz.replication.follow import follow, open_source
from pipeline.catalog.musicbrainz.replication.sources import DownloadLimits
from pipeline.runtime.logs import configure_logging
from pipeline.settings.sections import LoggingSettings
from tests.support.musicbrainz.copies import Copy, a_recording
from tests.support.musicbrainz.packet_server import (
    PacketServer,
    cut,
    endless,
    failing,
    redirect,
    running_packet_server,
    status,
)
from tests.support.musicbrainz.packets import FIRST, Change, Packet

NEXT = FIRST + 1
PATH = f"/api/replication-{NEXT}-v2.tar.bz2"
TOKEN = "s3cr3t+/t0k3n"
QUICK = DownloadLimits(connect=1, reply=0.3, total=0.8, attempts=3, pause=0.01)


@pytest.fixture
def server() -> Iterator[PacketServer]:
    with running_packet_server() as server:
        server.token = TOKEN
        yield server


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    packet = Packet(NEXT, [Change("recording", new=a_recording(9))])
    return packet.write(tmp_path).read_bytes()


def run(copy: Copy, server: PacketServer, token: str = TOKEN) -> list[int]:
    source = open_source(server.url, SecretStr(token), QUICK)
    return [applied.sequence for applied in follow(copy.engine, source)]


def refused(copy: Copy, server: PacketServer, message: str, **options: Any) -> None:
    """Check that a download fails with a message, and that no text of the error has the token."""
    with pytest.raises(ReplicationError, match=message) as caught:
        run(copy, server, **options)
    assert TOKEN not in "".join(traceback.format_exception(caught.value))
    assert "s3cr3t" not in repr(caught.value)
    assert copy.sequence == FIRST


def test_all_packets_are_downloaded_in_order(copy, server, content, tmp_path: Path) -> None:
    server.files[PATH] = content
    second = Packet(NEXT + 1).write(tmp_path).read_bytes()
    server.files[f"/api/replication-{NEXT + 1}-v2.tar.bz2"] = second
    assert run(copy, server) == [NEXT, NEXT + 1]
    assert server.tokens() == {TOKEN}
    assert run(copy, server) == []


def test_the_name_without_a_version_is_tried_too(copy, server, content) -> None:
    server.files[PATH.replace("-v2", "")] = content
    assert run(copy, server) == [NEXT]


def test_a_packet_that_the_server_has_no_more(copy, server) -> None:
    """The copy is older than the packets that are kept."""
    server.files["/api/replication-info"] = b'{"last_packet": "replication-190.tar.bz2"}'
    refused(copy, server, rf"has packet 190, but not packet {NEXT}")
    server.files["/api/replication-info"] = f'{{"last_packet": "replication-{FIRST}"}}'.encode()
    assert run(copy, server) == []


@pytest.mark.parametrize("info", [b"", b"[]", b"{}", b'{"last_packet": 3}', bytes(100_000)])
def test_a_description_that_cannot_be_read_is_ignored(copy, server, info: bytes) -> None:
    server.files["/api/replication-info"] = info
    assert run(copy, server) == []


def test_a_refused_token(copy, server, content) -> None:
    server.files[PATH] = content
    refused(copy, server, r"refuses the token \(status 403\): set \[musicbrainz\]", token="wrong")


def test_a_redirect_on_the_same_server_has_the_token(copy, server, content) -> None:
    server.files[PATH] = redirect("/other/packet?x=1")
    server.files["/other/packet"] = content
    assert run(copy, server) == [NEXT]


@pytest.mark.parametrize("given", ["", f"?token={TOKEN}&x=1", f"?key={TOKEN}"])
def test_a_redirect_to_another_server_has_no_token(copy, server, content, given: str) -> None:
    """Another port of a host is another server; a server may repeat the token in the redirect."""
    with running_packet_server() as other:
        other.files["/packet"] = content
        server.files[PATH] = redirect(f"http://127.0.0.1:{other.port}/packet{given}")
        assert run(copy, server) == [NEXT]
        assert other.asked == [("/packet", [])]


def test_a_redirect_back_has_the_token_again(copy, server, content) -> None:
    with running_packet_server() as other:
        other.files["/packet"] = redirect(f"{server.url}/last")
        server.files[PATH] = redirect(f"http://127.0.0.1:{other.port}/packet")
        server.files["/api/last"] = content
        assert run(copy, server) == [NEXT]
        assert other.tokens() == set()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("file:///etc/passwd", "redirects to no web address"),
        ("http://user:x@127.0.0.1/", "redirects to no web address"),
        ("http://[", "redirects to no web address"),
        (PATH, "redirects too often"),
    ],
)
def test_a_redirect_that_is_not_followed(copy, server, target: str, message: str) -> None:
    server.files[PATH] = redirect(target)
    refused(copy, server, message)


def test_a_server_that_fails_now_and_then(copy, server, content) -> None:
    server.files[PATH] = failing(2, content)
    assert run(copy, server) == [NEXT]


def test_a_server_that_fails_always(copy, server, content) -> None:
    server.files[PATH] = failing(3, content)
    refused(copy, server, rf"{NEXT}-v2.tar.bz2 cannot be downloaded: status 503")
    assert len(server.asked) == QUICK.attempts


@pytest.mark.parametrize("number", [204, 301, 410])
def test_another_status_is_not_tried_again(copy, server, number: int) -> None:
    server.files[PATH] = status(number)
    refused(copy, server, f"replies with the status {number}: check the address")
    assert len(server.asked) == 1


def test_a_reply_that_ends_early(copy, server, content) -> None:
    server.files[PATH] = cut(content)
    refused(copy, server, "cannot be downloaded: ")


def test_a_slow_reply(copy, server) -> None:
    """Each part arrives in time, but not the whole."""
    server.files[PATH] = endless(0.05)
    refused(copy, server, "takes too long")


def test_a_reply_that_stops(copy, server) -> None:
    server.files[PATH] = endless(30.0)
    refused(copy, server, "does not reply in time")


def test_an_endless_reply(copy, server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_source, "MAX_DOWNLOAD", 2**20)
    server.files[PATH] = endless(0.0, bytes(2**16))
    refused(copy, server, "has over 1048576 bytes")


def test_no_server(copy, server) -> None:
    server.port = 1
    with pytest.raises(SourceUnavailableError, match="cannot be downloaded: it cannot be reached"):
        run(copy, server)


def test_downloads_are_deleted(
    copy, server, content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    server.files[PATH] = content
    run(copy, server)
    server.files[f"/api/replication-{NEXT + 1}-v2.tar.bz2"] = content
    with pytest.raises(ReplicationError, match=f"is packet {NEXT}"):
        run(copy, server)
    assert list(folder.iterdir()) == []


def test_no_log_record_has_the_token(
    copy, server, content, capfd: pytest.CaptureFixture[str]
) -> None:
    """At the level DEBUG, urllib3 logs the address of each request."""
    server.files[PATH] = redirect("/api/last")
    server.files["/api/last"] = content
    root, urllib3_logger = logging.getLogger(), logging.getLogger("urllib3")
    handlers, levels = root.handlers[:], (root.level, urllib3_logger.level)
    try:
        configure_logging(LoggingSettings(level="DEBUG"), component="tests")
        assert run(copy, server) == [NEXT]
    finally:
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        urllib3_logger.setLevel(levels[1])
    shown = "".join(capfd.readouterr())
    assert f"replication-{NEXT}-v2.tar.bz2" in shown
    assert "s3cr3t" not in shown


def test_a_token_is_not_sent_without_tls_to_another_host() -> None:
    with pytest.raises(ReplicationError, match="use https:// with"):
        open_source("http://example.org/api", SecretStr(TOKEN))
    open_source("http://example.org/api", None)
    open_source("https://example.org/api", SecretStr(TOKEN))
