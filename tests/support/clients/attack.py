"""Attacks an HTTP server on 127.0.0.1 from 127.0.0.2 with five kinds of clients.

Run as ``python -m tests.support.clients.attack PORT SECONDS PATH LARGE_PATH``. Most clients request
PATH; the reply of LARGE_PATH must be large. After SECONDS it prints as JSON the numbers of opened
connections and of failed attempts by kind.
"""

import asyncio
import json
import os
import socket
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

CLIENTS = 200
"""Number of clients of each kind."""

SOURCE = "127.0.0.2"
PAUSE = 1.0
"""Seconds between two connections of a client."""

Kind = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def kinds(path: bytes, large_path: bytes) -> dict[str, Kind]:
    """Return the behaviour of a client on a connection, by kind."""

    async def slow_body(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" % path)
        await _drip(writer, b"x")

    async def half_headers(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET %s HTTP/1.1\r\n" % path)
        await _drip(writer, b"X-A: b\r\n")

    async def unread_reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % large_path)
        await asyncio.sleep(3600)

    async def pipelined(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path * 20)
            await writer.drain()
            await asyncio.sleep(0.2)

    async def idle(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3600)

    return {
        each.__name__: each for each in (slow_body, half_headers, unread_reply, pipelined, idle)
    }


async def _drip(writer: asyncio.StreamWriter, piece: bytes) -> None:
    while True:
        await writer.drain()
        await asyncio.sleep(1)
        writer.write(piece)


async def _client(port: int, name: str, act: Kind, until: float, counts: Counter[str]) -> None:
    """Open one connection after the other until `until`, a time of the event loop's clock.

    Each connection lasts until the server closes it. The time limit is necessary, since a
    cancellation may be lost at the end of a connection.
    """
    while asyncio.get_running_loop().time() < until:
        try:
            await _one_connection(port, name, act, counts)
        except OSError:
            counts[f"{name} failed"] += 1
        await asyncio.sleep(PAUSE)


async def _one_connection(port: int, name: str, act: Kind, counts: Counter[str]) -> None:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.bind((SOURCE, 0))
    client.settimeout(0)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    # With limit 1 the reader stops at once, and a long reply stays in the socket.
    reader, writer = await asyncio.open_connection(sock=client, limit=1)
    counts[name] += 1
    acting = asyncio.ensure_future(act(reader, writer))
    closed = asyncio.ensure_future(_until_closed(writer))
    try:
        await asyncio.wait((acting, closed), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (acting, closed):
            task.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await task
        writer.transport.abort()


async def _until_closed(writer: asyncio.StreamWriter) -> None:
    """Return when the connection is closed, as far as that is visible without reading."""
    while not writer.transport.is_closing():
        await asyncio.sleep(0.2)


async def attack(port: int, seconds: float, path: bytes, large_path: bytes) -> Counter[str]:
    """Attack for some seconds; return the counts of connections and failures."""
    counts: Counter[str] = Counter()
    until = asyncio.get_running_loop().time() + seconds
    clients = [
        asyncio.ensure_future(_client(port, name, act, until, counts))
        for name, act in kinds(path, large_path).items()
        for _ in range(CLIENTS)
    ]
    await asyncio.sleep(seconds)
    for each in clients:
        each.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    return counts


if __name__ == "__main__":
    _, port, seconds, path, large_path = sys.argv
    os.nice(10)  # in reality the clients use the CPU of other machines
    found = asyncio.run(attack(int(port), float(seconds), path.encode(), large_path.encode()))
    sys.stdout.write(json.dumps(found))
