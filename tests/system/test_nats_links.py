"""Dead servers and dead links of NATS, with Debian's server: noticed in time, connected again."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bench.nats.server import NatsServer
from nats_bridge.link.connection import run_connected
from nats_bridge.link.link_state import LinkState
from nats_bridge.process.service import STOP_TIME
from pipeline.settings.sections import NatsSettings
from tests.integration.nats_bridge.ingest.site import Link, Site
from tests.support.fixtures import Script
from tests.support.links.proxy import LinkProxy
from tests.support.polling import eventually
from tests.support.processes.nats_server import running_nats_server
from tests.system.packages import NATS_SERVER, needs

NOTICED = 13.0
"""Seconds after which a dead connection is known: pings take 9 s, the rest is for a slow host."""

BACK = 16.0
"""Seconds after which a connection is there again: the longest pause is 10 s."""

OUTAGE = 20.0

pytestmark = needs(NATS_SERVER)


class Watched:
    """A connection to servers, until `close`."""

    def __init__(self, *addresses: str) -> None:
        self.link = LinkState(logs=False)
        settings = NatsSettings.model_validate({"servers": ",".join(addresses)})
        self._task = asyncio.ensure_future(
            run_connected(settings, self.link, lambda _: asyncio.sleep(300), name="a test")
        )

    async def until(self, condition: Callable[[LinkState], bool], seconds: float) -> float:
        """Wait for a condition of the link; return the seconds that it took."""
        begun = time.monotonic()
        while not condition(self.link):
            assert time.monotonic() - begun < seconds, self.link.report()
            await asyncio.sleep(0.05)
        return time.monotonic() - begun

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def connected(link: LinkState) -> bool:
    return link.connected


def lost(link: LinkState) -> bool:
    return not link.connected


async def outage(server: NatsServer) -> None:
    watched = Watched(server.url)
    await watched.until(connected, 5)
    await asyncio.to_thread(server.kill)
    await watched.until(lost, 3)
    await asyncio.sleep(OUTAGE)
    assert "the server is unreachable" in (watched.link.problem or "")
    await asyncio.to_thread(server.start)
    await watched.until(connected, BACK)
    assert (watched.link.reconnects, watched.link.problem) == (1, None)
    await watched.close()


async def frozen(server: NatsServer) -> None:
    watched = Watched(server.url)
    await watched.until(connected, 5)
    os.kill(server.pid, signal.SIGSTOP)
    await watched.until(lost, NOTICED)
    await watched.until(lambda link: "does not answer" in (link.problem or ""), 5)
    os.kill(server.pid, signal.SIGCONT)
    await watched.until(connected, BACK)
    await watched.close()


async def half_open(server: NatsServer) -> None:
    with LinkProxy("127.0.0.1", server.port) as proxy:
        watched = Watched(f"{proxy.host}:{proxy.port}")
        await watched.until(connected, 5)
        await asyncio.to_thread(proxy.half_open)
        await watched.until(lost, NOTICED)
        await asyncio.to_thread(proxy.restore)
        await watched.until(connected, BACK)
        await watched.close()


async def second_server(first: NatsServer, second: NatsServer) -> None:
    await asyncio.to_thread(first.kill)
    watched = Watched(first.url, second.url)
    await watched.until(connected, 5)
    assert watched.link.server == f"127.0.0.1:{second.port}"
    await asyncio.to_thread(first.start)
    await asyncio.to_thread(second.kill)
    await watched.until(lambda link: link.server == f"127.0.0.1:{first.port}", BACK)
    assert watched.link.connected
    await watched.close()


def test_dead_servers_and_links_are_noticed_and_connected_again(tmp_path: Path) -> None:
    folder = NATS_SERVER.folder()
    assert folder is not None
    program = str(folder / NATS_SERVER.name)

    async def main(servers: list[NatsServer]) -> None:
        await asyncio.gather(
            outage(servers[0]),
            frozen(servers[1]),
            half_open(servers[2]),
            second_server(servers[3], servers[4]),
        )

    with ExitStack() as stack:
        servers = [
            stack.enter_context(running_nats_server(tmp_path / str(number), program=program))
            for number in range(5)
        ]
        asyncio.run(main(servers))


def test_the_ingest_stops_in_time_while_the_server_is_frozen(
    with_script: Script, tmp_path: Path
) -> None:
    with running_nats_server(tmp_path / "server") as server:
        site = Site(server, with_script)

        async def scenario(link: Link) -> None:
            stop = asyncio.Event()
            running = asyncio.create_task(link.loop().run(stop))
            await asyncio.to_thread(eventually, lambda: site.counts.numbers().pending == 0)
            os.kill(server.pid, signal.SIGSTOP)
            try:
                stop.set()
                await asyncio.wait_for(running, STOP_TIME)
            finally:
                os.kill(server.pid, signal.SIGCONT)

        site.run(scenario)
        site.close()
