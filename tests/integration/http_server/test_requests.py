"""Complete requests reach the application; incomplete and invalid ones are refused."""

import json
import socket
from collections.abc import Callable
from urllib.request import urlopen

import pytest

from tests.integration.http_server.conftest import PlainServer, read_all
from tests.support.processes.wsgi_application import LARGE

Make = Callable[..., PlainServer]
CLOSE = b"Host: x\r\nConnection: close\r\n"
HOST = b"Host: x\r\n"
ALIVE = b"GET /alive HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def parts(reply: bytes) -> tuple[int, dict[str, object]]:
    """Return status and body of the first reply in JSON."""
    head, _, body = reply.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def test_paths_and_headers_are_in_the_wsgi_environment(make_server: Make) -> None:
    server = make_server()
    headers = b"X-A: 1\r\nX_B: 2\r\nX_A: 5\r\nX-A: 3, 4\r\nX-C_D: 6\r\nContent_Length: 7\r\n\r\n"
    request = b"GET //a%ff//b?c=%20d HTTP/1.1\r\n" + CLOSE + headers
    status, body = parts(server.exchange(request))
    environ = body["environ"]
    assert status == 200
    assert environ["PATH_INFO"] == "//a\xff//b"
    assert environ["QUERY_STRING"] == "c=%20d"
    assert environ["HTTP_X_A"] == "1,3, 4"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    for name in ("HTTP_X_B", "HTTP_X_C_D", "CONTENT_LENGTH", "HTTP_CONTENT_LENGTH"):
        assert name not in environ


@pytest.mark.parametrize(
    ("body", "size"),
    [
        (b"Content-Length: 3\r\n\r\nabc", 3),
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 5),
        (b"Content-Length: 0\r\n\r\n", 0),
        (b"\r\n", 0),
    ],
)
def test_a_complete_body_reaches_the_application(make_server: Make, body, size) -> None:
    status, seen = parts(make_server().exchange(b"POST / HTTP/1.1\r\n" + CLOSE + body))
    assert (status, seen["size"]) == (200, size)


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 10\r\n\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n9\r\nabc",
        b"Content-Length: 10\r\n",
    ],
)
def test_an_incomplete_request_is_refused(make_server: Make, rest) -> None:
    reply = make_server().exchange(b"POST / HTTP/1.1\r\n" + HOST + rest, half_close=True)
    assert parts(reply)[0] == 400


@pytest.mark.parametrize(
    "request_",
    [
        b"BREW / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
def test_bytes_that_are_not_http_are_refused(make_server: Make, request_) -> None:
    assert parts(make_server().exchange(request_))[0] == 400


def test_long_headers_are_refused(make_server: Make) -> None:
    lines = b"".join(b"X-%d: y\r\n" % number for number in range(20_000))
    assert parts(make_server().exchange(b"GET / HTTP/1.1\r\n" + HOST + lines))[0] == 431


@pytest.mark.parametrize("size", [1001, 20_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_client_reads_the_refusal_of_a_long_body(make_server: Make, size, chunked) -> None:
    server = make_server(body_bytes=1000)
    if chunked:
        body = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n"
    else:
        body = b"Content-Length: %d\r\n\r\n" % size + b"x" * size
    reply = server.exchange(b"POST / HTTP/1.1\r\n" + HOST + body + ALIVE)
    expected = 1001 if chunked else 0  # one byte more than the limit; none with a Content-Length
    assert b'{"size": %d,' % expected in reply
    assert reply.endswith(b"\r\n\r\n{}")  # the next request on the connection is answered


def test_a_head_has_no_body(make_server: Make) -> None:
    reply = make_server().exchange(b"HEAD / HTTP/1.1\r\n" + CLOSE + b"\r\n")
    assert reply.endswith(b"\r\n\r\n")
    assert b"content-length:" in reply


def test_expect_100_continue_is_answered(make_server: Make) -> None:
    with make_server().connect() as client:
        expect = b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        client.sendall(b"POST / HTTP/1.1\r\n" + CLOSE + expect)
        assert client.recv(1000).startswith(b"HTTP/1.1 100 Continue")
        client.sendall(b"abc")
        assert parts(read_all(client))[1]["size"] == 3


def test_pipelined_requests_are_answered_in_order(make_server: Make) -> None:
    requests = b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(50))
    reply = make_server().exchange(requests + ALIVE).decode()
    places = [reply.index(f'"PATH_INFO": "/{number}"') for number in range(50)]
    assert places == sorted(places)


def test_too_many_pipelined_requests_end_the_connection(make_server: Make) -> None:
    server = make_server()
    assert server.exchange(b"GET /sleep?1 HTTP/1.1\r\nHost: x\r\n\r\n" * 400) == b""
    assert parts(server.exchange(ALIVE))[0] == 200


def test_a_large_reply_is_complete(make_server: Make) -> None:
    with urlopen(f"http://127.0.0.1:{make_server().port}/large", timeout=30) as reply:
        assert len(reply.read()) == LARGE


def test_a_closed_connection_is_no_longer_counted(make_server: Make) -> None:
    server = make_server(connections=4)
    for _ in range(20):
        client = server.connect("127.0.0.2")
        client.sendall(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\nabc")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        assert parts(server.exchange(ALIVE))[0] == 200


def test_too_many_headers_are_refused(make_server: Make) -> None:
    server = make_server()
    for lines in (b"a:\r\n" * 101, b"a:\r\n" * 3000):
        reply = server.exchange(b"GET / HTTP/1.1\r\n" + HOST + lines + b"\r\n")
        assert parts(reply)[0] == 431
    assert parts(server.exchange(ALIVE))[0] == 200


def test_trailers_are_ignored(make_server: Make) -> None:
    body = b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n"
    status, seen = parts(make_server().exchange(b"POST / HTTP/1.1\r\n" + CLOSE + body))
    assert (status, seen["size"]) == (200, 3)
    assert "HTTP_X_FORWARDED_FOR" not in seen["environ"]


@pytest.mark.parametrize("trailer", [b"a: b\r\n", b"x"])
def test_endless_trailers_end_the_connection(make_server: Make, trailer) -> None:
    server = make_server()
    head = b"POST /alive HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    server.exchange(
        head + b"0\r\n" + (b"" if trailer == b"a: b\r\n" else b"a: ") + trailer * 300_000
    )
    assert parts(server.exchange(ALIVE))[0] == 200


def test_a_refused_request_with_expect_ends_the_connection(make_server: Make) -> None:
    server = make_server(body_bytes=1000)
    expect = b"Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n"
    reply = server.exchange(b"POST / HTTP/1.1\r\n" + HOST + expect)
    assert b"connection: close" in reply
    assert b'{"size": 0,' in reply


def test_a_refusal_is_not_sent_while_a_reply_is_due(make_server: Make) -> None:
    server = make_server()
    reply = server.exchange(b"GET /sleep?1 HTTP/1.1\r\nHost: x\r\n\r\nno http\r\n\r\n")
    assert b" 400 " not in reply
