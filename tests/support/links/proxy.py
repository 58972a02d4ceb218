"""A TCP proxy between a client and a server that freezes, delays, cuts and half-opens the link."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Final, Self, TypeVar

Result = TypeVar("Result")

_CHUNK: Final = 65_536
_CALL_TIMEOUT: Final = 10.0


class LinkProxy:
    """Forwards connections to a server. It has one thread, which `close` ends.

    A client uses `host` and `port` in place of the server's address. The methods change all open
    connections and those that follow. `restore` ends every fault.

    ============  ==========================================  =================================
    method        open connections                            new connections
    ============  ==========================================  =================================
    `freeze`      stay open; no byte passes                   are accepted; no byte passes
    `delay`       each chunk of bytes arrives later           the same
    `cut`         are reset on both sides                     are reset at once
    `half_open`   the server's side is closed; the client's   are accepted; no byte passes
                  stays open, and no byte passes
    ============  ==========================================  =================================

    The methods take the name of a client, to change only its connections. The function `name_of`
    tells the clients of one proxy apart.

    Args:
        host: the address of the server.
        port: its port.
        name_of: returns the name of the client with a local port. It is called in a thread, once
            for each connection.
    """

    host: Final = "127.0.0.1"

    def __init__(
        self, host: str, port: int, name_of: Callable[[int], str] = lambda _port: ""
    ) -> None:
        self._target = (host, port)
        self._name_of = name_of
        self._others: _Conditions
        self._conditions: dict[str, _Conditions] = {}
        self._links: set[_Link] = set()
        self._listener = socket.create_server((self.host, 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="link-proxy", daemon=True)
        self._thread.start()
        self._call(self._start())

    def freeze(self, name: str | None = None) -> None:
        """Forward no byte, as if every packet was dropped; no connection is closed."""
        self._call(self._set(name, flows=False))

    def delay(self, seconds: float, name: str | None = None) -> None:
        """Forward each chunk of bytes after a delay in seconds."""
        self._call(self._set(name, delay=seconds))

    def cut(self, name: str | None = None) -> None:
        """Reset all connections, and each new one."""
        self._call(self._set(name, refuses=True))
        self._call(self._reset_all(name))

    def half_open(self, name: str | None = None) -> None:
        """Close the connections to the server; the clients' connections stay open and are dead.

        Connections that a client opens before `restore` are dead too.
        """
        self._call(self._set(name, flows=False, connects=False))
        self._call(self._abandon_all(name))

    def restore(self) -> None:
        """End every fault. Connections that `half_open` has made dead stay dead."""
        self._call(self._set(None))

    def reset(self, name: str | None = None) -> None:
        """Reset all open connections once; new ones work."""
        self._call(self._reset_all(name))

    def connections(self) -> int:
        """Return the number of open connections of clients."""
        return len(self._links)

    def close(self) -> None:
        """Reset all connections and stop the thread."""
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_TIMEOUT)
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _call(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return future.result(_CALL_TIMEOUT)

    async def _start(self) -> None:
        self._others = _Conditions()
        self._server = await asyncio.start_server(self._serve, sock=self._listener)

    async def _set(
        self,
        name: str | None,
        *,
        flows: bool = True,
        delay: float = 0.0,
        refuses: bool = False,
        connects: bool = True,
    ) -> None:
        changed = [self._others, *self._conditions.values()]
        if name is not None:
            changed = [self._conditions_of(name)]
        for conditions in changed:
            conditions.set(flows=flows, delay=delay, refuses=refuses, connects=connects)

    def _conditions_of(self, name: str) -> "_Conditions":
        if name not in self._conditions:
            self._conditions[name] = self._others.copy()
        return self._conditions[name]

    async def _reset_all(self, name: str | None = None) -> None:
        for link in self._links_of(name):
            link.reset()

    async def _abandon_all(self, name: str | None) -> None:
        for link in self._links_of(name):
            link.abandon()

    def _links_of(self, name: str | None) -> "list[_Link]":
        return [link for link in self._links if name is None or link.name == name]

    async def _stop(self) -> None:
        self._server.close()
        await self._reset_all()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("peername")[1]
        name = await asyncio.to_thread(self._name_of, port)
        link = _Link(writer, name, self._conditions_of(name))
        if link.conditions.refuses:
            link.reset()
            return
        self._links.add(link)
        try:
            if not link.conditions.connects:
                await asyncio.Event().wait()
            await link.conditions.flowing.wait()
            from_server, link.server = await asyncio.open_connection(*self._target)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, link.server, link))
                group.create_task(_pump(from_server, writer, link))
        except* OSError:
            link.reset()
        finally:
            self._links.discard(link)
            writer.close()


class _Conditions:
    """The faults of a client's links: whether bytes pass, after which delay, and so on."""

    def __init__(self) -> None:
        self.flowing = asyncio.Event()
        self.set(flows=True, delay=0.0, refuses=False, connects=True)

    def set(self, *, flows: bool, delay: float, refuses: bool, connects: bool) -> None:
        """Replace all conditions."""
        self.delay, self.refuses, self.connects = delay, refuses, connects
        if flows:
            self.flowing.set()
        else:
            self.flowing.clear()

    def copy(self) -> "_Conditions":
        """Return the same conditions for another client."""
        copied = _Conditions()
        copied.set(
            flows=self.flowing.is_set(),
            delay=self.delay,
            refuses=self.refuses,
            connects=self.connects,
        )
        return copied


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: "_Link") -> None:
    """Forward bytes of one direction until its end, then close the other side's input."""
    while chunk := await reader.read(_CHUNK):
        if link.conditions.delay:
            await asyncio.sleep(link.conditions.delay)
        await link.conditions.flowing.wait()
        if link.is_abandoned:
            break
        writer.write(chunk)
        await writer.drain()
    if link.is_abandoned:
        await asyncio.Event().wait()
    await link.conditions.flowing.wait()
    if writer.can_write_eof():
        writer.write_eof()


class _Link:
    """A client's connection and the connection to the server that belongs to it."""

    def __init__(self, client: asyncio.StreamWriter, name: str, conditions: _Conditions) -> None:
        self.client = client
        self.name = name
        self.conditions = conditions
        self.server: asyncio.StreamWriter | None = None
        self.is_abandoned = False

    def reset(self) -> None:
        """Reset both connections."""
        for writer in (self.client, self.server):
            if writer is not None:
                _send_reset(writer)

    def abandon(self) -> None:
        """Close the connection to the server; the client's connection stays open and is dead."""
        self.is_abandoned = True
        if self.server is not None:
            self.server.transport.abort()


def _send_reset(writer: asyncio.StreamWriter) -> None:
    if writer.transport.is_closing():
        return
    connection = writer.get_extra_info("socket")
    # Without this option, the kernel would end the connection in an orderly way.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
