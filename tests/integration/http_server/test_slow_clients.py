"""Limits of slow, idle and numerous clients; other clients are answered."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.integration.http_server.conftest import PlainServer, read_all, seconds_until_closed

Make = Callable[..., PlainServer]
ALIVE = b"GET /alive HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
HALF_BODY = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabcd"


def test_headers_have_a_time_limit(make_server: Make) -> None:
    with make_server(header_time=1).connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n")
        assert b" 408 " in read_all(client)


def test_slow_headers_have_the_same_time_limit(make_server: Make) -> None:
    with make_server(header_time=1).connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\n")
        begun = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() < begun + 10:
                client.sendall(b"X-A: b\r\n")
                time.sleep(0.1)
        assert time.monotonic() < begun + 5


def test_a_body_has_a_lowest_rate(make_server: Make) -> None:
    with make_server(body_grace=0.5, body_rate=1000).connect() as client:
        client.sendall(HALF_BODY)
        assert b" 408 " in read_all(client)


def test_a_body_has_a_time_limit(make_server: Make) -> None:
    with make_server(body_time=1, body_rate=0).connect() as client:
        client.sendall(HALF_BODY)
        assert b" 408 " in read_all(client)


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
@pytest.mark.parametrize("length", [b"Content-Length: 4", b"Transfer-Encoding: chunked"])
def test_a_body_that_never_begins_has_a_time_limit(make_server: Make, expect, length) -> None:
    with make_server(body_time=1).connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + expect + length + b"\r\n\r\n")
        assert b" 408 " in read_all(client)


def test_a_body_that_never_begins_counts_as_half_read(make_server: Make) -> None:
    server = make_server(half_read_bodies_per_client=1)
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
    with server.connect("127.0.0.2") as first, server.connect("127.0.0.2") as second:
        first.sendall(request)
        time.sleep(0.3)
        second.sendall(request)
        assert b" 503 " in second.recv(1000)


def test_requests_of_closed_connections_stay_counted(make_server: Make) -> None:
    server = make_server(requests_per_client=4)
    for _ in range(20):  # there are 8 threads
        with server.connect("127.0.0.2") as client:
            client.sendall(b"GET /sleep?2 HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.02)
    begun = time.monotonic()
    assert b" 200 OK" in server.exchange(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert time.monotonic() - begun < 1


def test_an_idle_connection_has_a_time_limit(make_server: Make) -> None:
    with make_server(idle_time=1).connect() as client:
        assert seconds_until_closed(client) < 5


def test_a_connection_after_a_request_has_the_same_time_limit(make_server: Make) -> None:
    with make_server(idle_time=1).connect() as client:
        client.sendall(b"GET /alive HTTP/1.1\r\nHost: x\r\n\r\n")
        assert 0.5 < seconds_until_closed(client) < 5


def test_a_reply_that_is_not_read_ends_the_connection(make_server: Make) -> None:
    with make_server(reply_time=0.3).connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**17)
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(1.5)
        assert len(read_all(client)) < 2**23  # of 2**25: only the content of the sockets' buffers


def test_a_running_request_has_no_time_limit(make_server: Make) -> None:
    limits = {"header_time": 0.5, "idle_time": 0.5, "body_time": 0.5, "reply_time": 0.5}
    request = b"GET /sleep?2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert b" 200 OK" in make_server(**limits).exchange(request)


def test_half_read_bodies_need_no_thread(make_server: Make) -> None:
    server = make_server()
    clients = [server.connect() for _ in range(50)]  # there are 8 threads
    for client in clients:
        client.sendall(HALF_BODY)
    assert b" 200 OK" in server.exchange(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    for client in clients:
        client.close()


def test_a_client_with_too_many_half_read_bodies_is_refused(make_server: Make) -> None:
    server = make_server(half_read_bodies_per_client=2)
    clients = [server.connect("127.0.0.2") for _ in range(2)]
    for client in clients:
        client.sendall(HALF_BODY)
    time.sleep(0.3)
    with server.connect("127.0.0.2") as third:
        third.sendall(HALF_BODY)
        reply = third.recv(1000)
    assert b" 503 " in reply
    assert b"retry-after: 1" in reply
    for client in clients:
        client.close()


def test_bodies_in_memory_are_limited(make_server: Make) -> None:
    server = make_server(body_bytes=10**6, buffered_bytes_per_client=10**5)
    with server.connect("127.0.0.2") as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n")
        client.sendall(b"x" * 500_000)
        assert b" 503 " in client.recv(1000)


def test_the_liveness_reply_needs_no_thread(make_server: Make) -> None:
    server = make_server()
    sleeping = [server.connect() for _ in range(20)]  # there are 8 threads
    for client in sleeping:
        client.sendall(b"GET /sleep?3 HTTP/1.1\r\nHost: x\r\n\r\n")
    begun = time.monotonic()
    assert b" 200 OK" in server.exchange(ALIVE)
    assert time.monotonic() - begun < 1
    for client in sleeping:
        client.close()


def test_idle_connections_of_one_client_do_not_exclude_others(make_server: Make) -> None:
    server = make_server(connections_per_client=10)
    idle = [server.connect("127.0.0.2") for _ in range(100)]
    assert b" 200 OK" in server.exchange(ALIVE, source="127.0.0.2")
    assert b" 200 OK" in server.exchange(ALIVE)
    for client in idle:
        client.close()


def test_the_requests_of_one_client_leave_threads_for_others(make_server: Make) -> None:
    server = make_server(requests_per_client=4)
    many = [server.connect("127.0.0.2") for _ in range(20)]  # there are 8 threads
    for client in many:
        client.sendall(b"GET /sleep?1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    time.sleep(0.3)
    begun = time.monotonic()
    assert b" 200 OK" in server.exchange(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert time.monotonic() - begun < 0.9
    assert all(b" 200 OK" in read_all(client) for client in many)
    assert 4 < time.monotonic() - begun < 15
