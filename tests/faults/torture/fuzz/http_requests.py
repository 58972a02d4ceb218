"""Raw bytes, forms, gzip and multipart for a running HTTP server: a reply of the protocol.

Each case is a connection of its own. The server must reply with a status other than 500, or close
the connection, and must answer a health check after each batch of cases.
"""

import gzip
import http.client
import socket
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from pipeline.fingerprint.codec import encode
from tests.support.catalogue.synthetic import fingerprint

TIMEOUT: Final = 15.0
BATCH: Final = 100
WEB_SERVICE: Final = ("/v2/lookup", "/v2/submit", "/v2/submission_status", "/v2/task/x", "/docs")
INDEX_SERVER: Final = ("/main", "/main/_search", "/main/_update", "/main/7", "/main/_segments")
_HEADERS: Final = (
    b"Content-Type: application/x-www-form-urlencoded",
    b"Content-Type: multipart/form-data; boundary=B",
    b"Content-Type: text/plain; charset=x",
    b"Content-Encoding: gzip",
    b"Content-Encoding: br, gzip",
    b"Transfer-Encoding: chunked",
    b"Expect: 100-continue",
    b"Connection: close",
    b"X-Forwarded-For: \xff, 1.2.3.4",
    b"Content-Length: -1",
    b"Content-Length: 99999999999999999999",
)
_STATUSES: Final = frozenset(
    {100, 200, 204, 400, 401, 404, 405, 408, 411, 413, 414, 415, 417, 422, 429, 431, 501, 503}
)


@dataclass(frozen=True)
class Server:
    """A server that gets requests: its address, its paths and its health check."""

    host: str
    port: int
    paths: Sequence[str]
    health: str


def fuzz_http_requests(server: Server, seed: int, cases: int) -> None:
    """Send requests to a server.

    Raises:
        AssertionError: a reply has an unexpected status, or the health check fails.
    """
    random = Random(seed)
    for case in range(cases):
        request = _request(random, server.paths)
        status = send(server.host, server.port, request)
        assert status is None or status in _STATUSES, (
            f"seed {seed} case {case}: status {status} for {request[:300]!r}"
        )
        if case % BATCH == BATCH - 1 or case == cases - 1:
            connection = http.client.HTTPConnection(server.host, server.port, timeout=TIMEOUT)
            connection.request("GET", server.health)
            assert connection.getresponse().status == 200, (
                f"seed {seed} case {case}: {server.health}"
            )
            connection.close()


def send(host: str, port: int, request: bytes) -> int | None:
    """Send bytes and close this side; return the status of the first reply, None for no reply."""
    with socket.create_connection((host, port), TIMEOUT) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            reply = connection.recv(65536)
        except ConnectionError:
            return None
    if not reply:
        return None
    words = reply.split(None, 2)
    assert words[0] in {b"HTTP/1.1", b"HTTP/1.0"}, reply[:100]
    return int(words[1])


def _request(random: Random, paths: Sequence[str]) -> bytes:
    if random.random() < 0.1:
        return random.randbytes(random.randrange(1, 200)) + b"\r\n\r\n"
    method = random.choice((b"GET", b"POST", b"POST", b"POST", b"PUT", b"BREW", b"\x00"))
    path = random.choice(paths).encode() + random.choice(
        (b"", b"?client=x&format=json", b"?%zz=\xff")
    )
    body = _body(random)
    headers = random.sample(_HEADERS, random.randrange(4))
    if random.random() < 0.8:
        headers.append(b"Content-Length: %d" % (len(body) + random.choice((0, 0, 0, 1, -1))))
    head = b"\r\n".join([method + b" " + path + b" HTTP/1.1", b"Host: x", *headers])
    request = bytearray(head + b"\r\n\r\n" + body)
    for _ in range(random.choice((0, 0, 1, 3))):
        request[random.randrange(len(request))] = random.randrange(256)
    return bytes(request)


def _body(random: Random) -> bytes:
    words = encode(fingerprint(random.randrange(5), 40)).encode()
    form = b"client=x&user=x&duration=40&fingerprint=" + words + b"&mbid=x&track=%00%ff"
    kind = random.randrange(6)
    if kind == 0:
        return form
    if kind == 1:
        return gzip.compress(form)
    if kind == 2:
        return gzip.compress(bytes(1 << 22))
    if kind == 3:
        return zlib.compress(form)[: random.randrange(20)]
    if kind == 4:
        part = b"--B\r\nContent-Disposition: form-data; name=client\r\n\r\n" + random.randbytes(20)
        return part + random.choice((b"\r\n--B--\r\n", b"\r\n--B", b""))
    return random.randbytes(random.randrange(100))
