"""The client's address behind a proxy, as a front-end process reads it from raw requests."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from pipeline.settings.sections import Settings
from tests.support.clients.web_client import GID
from tests.support.polling import eventually
from tests.support.processes.scratch_redis import on_scratch, scratch_redis
from tests.support.processes.servers import LOOPBACK, free_port
from tests.support.processes.workers import write_config

LIMIT: Final = 20  # requests of one address: 1 per second, in a window of 20 s
PATH: Final = f"/v2/track/list_by_puid?puid={GID}"
TOKEN: Final = "/v2/user/create_musicbrainz?access_token=x"


class Proxy:
    """Sends requests to a front end that trusts one proxy."""

    def __init__(self, port: int) -> None:
        self._port = port

    def send(self, *requests: tuple[str, list[bytes]]) -> list[tuple[int, bytes, bytes]]:
        """Send requests over one connection; return status, headers and body of each reply.

        Args:
            requests: path and header lines of each.
        """
        with socket.create_connection((LOOPBACK, self._port), timeout=30) as client:
            replies = client.makefile("rb")
            return [self._exchange(client, replies, *request) for request in requests]

    def statuses(self, times: int, *lines: bytes) -> list[int]:
        """Send one request several times; return the statuses."""
        return [status for status, _, _ in self.send(*[(PATH, list(lines))] * times)]

    @staticmethod
    def _exchange(client, replies, path: str, lines: list[bytes]) -> tuple[int, bytes, bytes]:
        start = f"GET {path} HTTP/1.1".encode()
        client.sendall(b"\r\n".join([start, b"Host: x", *lines, b"", b""]))
        status = int(replies.readline().split()[1])
        head = b""
        while (line := replies.readline()) != b"\r\n":
            head += line.lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return status, head, replies.read(length)


@contextmanager
def front_end(settings: Settings, folder: Path) -> Iterator[Proxy]:
    """Run a front end with a limit per address that trusts one proxy."""
    port = free_port()
    limits = {"GLOBAL_LIMIT": "0", "APP_LIMIT": "0", "IP_LIMIT": "1"}
    environ = {
        **os.environ,
        "ACOUSTID_CONFIG": str(write_config(on_scratch(settings), folder / "acoustid.conf")),
        "ACOUSTID_API_TRUSTED_PROXIES": "1",
        **{f"ACOUSTID_CLUSTER_RATE_LIMITER_{name}": value for name, value in limits.items()},
    }
    command = (sys.executable, "-m", "cli.main", "serve", "--port", str(port))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    try:
        eventually(lambda: "web service:" in (folder / "log").read_text(encoding="utf-8"), 60)
        yield Proxy(port)
    finally:
        process.kill()
        process.wait(30)


@pytest.fixture(scope="module")
def running(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with front_end(settings, tmp_path_factory.mktemp("front_end")) as proxy:
        yield proxy


@pytest.fixture
def proxy(running: Proxy, settings: Settings) -> Iterator[Proxy]:
    """The front end, with no counted requests."""
    with scratch_redis(settings):
        yield running


def underscored(name: bytes, number: int) -> bytes:
    return b"%s: 9.9.9.%d" % (name, number)


@pytest.mark.parametrize(
    "name", [b"X_Forwarded_For", b"x_forwarded_for", b"X-Forwarded_For", b"X_FORWARDED-FOR"]
)
@pytest.mark.parametrize("is_first", [True, False])
def test_an_underscored_header_changes_no_address(proxy: Proxy, name: bytes, is_first) -> None:
    """Each of 50 requests claims another address; no more than the limit passes."""
    real = b"X-Forwarded-For: 192.0.2.1"
    requests = []
    for number in range(50):
        lines = [underscored(name, number), real]
        requests.append((PATH, lines if is_first else lines[::-1]))
    statuses = [status for status, _, _ in proxy.send(*requests)]
    assert statuses == [200] * LIMIT + [429] * (50 - LIMIT)
    assert proxy.statuses(1, b"X-Forwarded-For: 192.0.2.2") == [200]


@pytest.mark.parametrize(
    "line",
    [
        b"X-Forwarded-For: \xff, 192.0.2.1",
        b"X-Forwarded-For: 9.9.9.9\xe9,192.0.2.1",
        b"X-Forwarded-For: \xd9\xa1.2.3.4, 9.9.9.9, 192.0.2.1:4711",
        b"X-Forwarded-For: , ,192.0.2.1",
        b"X-Forwarded-For: unknown\r\nX-Forwarded-For: 192.0.2.1",
        b"X-Forwarded-For: \xff\r\nX-Forwarded-For: 9.9.9.9, ::ffff:192.0.2.1",
    ],
)
def test_bytes_of_the_client_give_no_second_budget(proxy: Proxy, line: bytes) -> None:
    """All forms count as the address that the proxy added."""
    assert proxy.statuses(LIMIT, b"X-Forwarded-For: 192.0.2.1") == [200] * LIMIT
    assert proxy.statuses(25, line) == [429] * 25
    others = [b"X-Forwarded-For: \xff, 192.0.2.%d" % number for number in range(2, 6)]
    assert [proxy.statuses(1, other) for other in others] == [[200]] * 4


def test_an_address_that_cannot_be_read_is_an_error_and_not_the_proxys(proxy: Proxy) -> None:
    """It uses up no limit, and the error has the requested format."""
    bad = [b"X-Forwarded-For: 192.0.2.1, \xff"]
    replies = proxy.send(*[(PATH, bad)] * 25)
    assert {status for status, _, _ in replies} == {400}
    error = json.loads(replies[0][2])["error"]
    assert error["code"] == 102
    assert error["message"].startswith("invalid request: ")
    assert not any(b"x-ratelimit" in head for _, head, _ in replies)
    [(status, head, body)] = proxy.send((f"{PATH}&format=xml", bad))
    assert (status, body.count(b"<code>102</code>")) == (400, 1)
    assert b"content-type: text/xml" in head
    assert proxy.statuses(LIMIT) == [200] * LIMIT  # the proxy's own address
    assert proxy.statuses(1) == [429]


def test_an_underscored_scheme_is_ignored(proxy: Proxy) -> None:
    """A request that is not encrypted stays so."""
    lines = [b"X_Forwarded_Proto: https", b"X-Forwarded-Proto: http", b"X_Forwarded-Proto: https"]
    forwarded = b"X-Forwarded-For: 192.0.2.1"
    for order in (lines, lines[::-1], lines[:1]):
        [(status, _, body)] = proxy.send((TOKEN, [forwarded, *order]))
        assert (status, json.loads(body)["error"]["code"]) == (400, 16)
