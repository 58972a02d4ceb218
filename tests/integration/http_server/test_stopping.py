"""After SIGTERM the server drains, then requests in progress are answered; none is reset."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from cli.stack.servers.ports import free_port
from tests.integration.http_server.conftest import PlainServer, read_all
from tests.support.polling import eventually

Make = Callable[..., PlainServer]
SLEEP = b"GET /sleep?%s HTTP/1.1\r\nHost: x\r\n\r\n"
TIMEOUT = 30


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_in_progress_is_answered(make_server: Make, number) -> None:
    server = make_server()
    with server.connect() as client:
        client.sendall(SLEEP % b"1")
        time.sleep(0.3)
        server.process.send_signal(number)
        reply = read_all(client)
    assert b" 200 OK" in reply
    assert b"connection: close" in reply
    assert server.process.wait(TIMEOUT) == 0


def test_no_new_connection_is_accepted(make_server: Make) -> None:
    server = make_server()
    with server.connect() as client:
        client.sendall(SLEEP % b"2")
        time.sleep(0.3)
        server.process.terminate()
        time.sleep(0.7)
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        assert b" 200 OK" in read_all(client)


def test_a_new_request_on_an_open_connection_is_answered(make_server: Make) -> None:
    server = make_server()
    with server.connect() as client:
        client.sendall(SLEEP % b"0")
        client.recv(10_000)
        server.process.terminate()
        time.sleep(0.3)
        client.sendall(SLEEP % b"0")
        reply = read_all(client)
    assert b" 200 OK" in reply
    assert b"connection: close" in reply
    assert server.process.wait(TIMEOUT) == 0


def test_idle_connections_and_incomplete_requests_do_not_delay_the_stop(make_server: Make) -> None:
    server = make_server()
    idle, half = server.connect(), server.connect()
    half.sendall(b"GET / HTTP/1.1\r\n")
    time.sleep(0.3)
    begun = time.monotonic()
    server.process.terminate()
    assert server.process.wait(TIMEOUT) == 0
    assert time.monotonic() - begun < 4
    for client in (idle, half):
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        client.close()


def test_a_connection_that_arrives_during_the_stop_does_not_delay_it() -> None:
    port, stop_time = str(free_port()), 25
    command = (sys.executable, "-u", "-m", "tests.support.processes.late_connection")
    with subprocess.Popen(
        (*command, port, str(stop_time)), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        while process.stdout.readline() != "ready\n":
            assert process.poll() is None
        begun = time.monotonic()
        process.terminate()
        assert process.wait(TIMEOUT) == 0
        assert time.monotonic() - begun < stop_time / 2
        assert process.stdout.read() == "connections: 1\n"


def test_a_second_sigterm_does_not_cut_off_a_request_and_sigint_does(make_server: Make) -> None:
    server = make_server()
    assert not drains(server)  # it serves
    with server.connect() as short, server.connect() as long:
        short.sendall(SLEEP % b"1.5")
        long.sendall(SLEEP % b"10")
        time.sleep(0.3)
        for _ in range(2):
            server.process.terminate()
            time.sleep(0.3)
        assert b" 200 OK" in read_all(short)
        begun = time.monotonic()
        server.process.send_signal(signal.SIGINT)
        refused = read_all(long)
    assert refused.startswith(b"HTTP/1.1 503")
    assert b'"message": "the server is stopping: send the request again"' in refused
    assert server.process.wait(TIMEOUT) == 0
    assert time.monotonic() - begun < 6


def drains(server: PlainServer) -> bool:
    """Return whether the server has reported that it drains."""
    reply = server.exchange(b"GET /draining HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert reply.startswith((b"HTTP/1.1 200", b"HTTP/1.1 503"))
    return b" 503 " in reply


def test_the_server_serves_during_the_drain_time(make_server: Make) -> None:
    server = make_server(drain_time=1.5)
    assert not drains(server)
    begun = time.monotonic()
    server.process.terminate()
    eventually(lambda: drains(server))
    while time.monotonic() - begun < 1.2:  # new connections are accepted, too
        assert drains(server)
    assert server.process.wait(TIMEOUT) == 0
    assert 1.4 < time.monotonic() - begun < 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_the_drain_time(make_server: Make, number) -> None:
    server = make_server(drain_time=60)
    assert not drains(server)
    server.process.terminate()
    eventually(lambda: drains(server))
    server.process.send_signal(number)
    assert server.process.wait(TIMEOUT) == 0


def test_ctrl_c_does_not_drain(make_server: Make) -> None:
    server = make_server(drain_time=60)
    assert not drains(server)
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(TIMEOUT) == 0
