"""Packets between a front end and PostgreSQL are lost; the front end has a network of its own."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

import pytest

from pipeline.settings.sections import Settings
from tests.support.links.front_end import RECOVERY, THREADS, FrontEnd, front_end_behind
from tests.support.links.proxy import LinkProxy
from tests.support.polling import eventually
from tests.system.packages import needs_root

needs_ip: Final = pytest.mark.skipif(shutil.which("ip") is None, reason="needs ip of iproute2")

POSTGRES, REDIS, FRONT_END = "10.213.77.1", "10.213.77.2", "10.213.77.3"


class PostgresLink(LinkProxy):
    """Forwards connections to PostgreSQL."""

    host = POSTGRES  # type: ignore[misc] # another address


class RedisLink(LinkProxy):
    """Forwards connections to Redis."""

    host = REDIS  # type: ignore[misc] # another address


@dataclass(frozen=True)
class Network:
    """A network namespace, and a cable between it and the servers.

    Attributes:
        name: the name of the namespace.
        near: the end of the cable on the side of the servers.
    """

    name: str
    near: str

    @property
    def within(self) -> tuple[str, ...]:
        """The command that runs another one in the namespace."""
        return ("ip", "netns", "exec", self.name)

    def lose_packets(self) -> None:
        """Drop all packets from and to PostgreSQL; no connection is reset."""
        run("ip", "addr", "del", f"{POSTGRES}/24", "dev", self.near)

    def restore(self) -> None:
        """Deliver packets again."""
        run("ip", "addr", "add", f"{POSTGRES}/24", "dev", self.near)

    def established(self) -> list[str]:
        """Return the established connections to PostgreSQL, as ``ss`` prints them."""
        text = run(*self.within, "ss", "-Htn", "state", "established", "dst", POSTGRES)
        return text.splitlines()


def run(*command: str) -> str:
    """Run a command, and return its output."""
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


@pytest.fixture
def network() -> Iterator[Network]:
    """Return a network for the front end."""
    name = f"acoustid-{os.getpid()}"
    near, far = f"an{os.getpid()}", f"af{os.getpid()}"
    with ExitStack() as stack:
        run("ip", "netns", "add", name)
        stack.callback(run, "ip", "netns", "del", name)
        run("ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        # The first address stays when the other one is deleted.
        for address in (REDIS, POSTGRES):
            run("ip", "addr", "add", f"{address}/24", "dev", near)
        run("ip", "link", "set", near, "up")
        within = ("ip", "-n", name)
        run(*within, "addr", "add", f"{FRONT_END}/24", "dev", far)
        for device in ("lo", far):
            run(*within, "link", "set", device, "up")
        hardware = run("cat", f"/sys/class/net/{near}/address").strip()
        # Otherwise the front end would learn from the missing reply that the host is gone.
        run(
            *within,
            "neigh",
            "replace",
            POSTGRES,
            "lladdr",
            hardware,
            "dev",
            far,
            "nud",
            "permanent",
        )
        run("sh", "-c", f"echo 0 > /proc/sys/net/ipv4/conf/{near}/forwarding")
        yield Network(name, near)


@pytest.fixture
def front_end(
    settings: Settings, network: Network, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FrontEnd]:
    """Return a client of a front end in the network."""
    with (
        PostgresLink(settings.database.host, settings.database.port) as postgres,
        RedisLink(settings.redis.host, settings.redis.port) as redis,
        front_end_behind(
            settings,
            tmp_path_factory.mktemp("front_end"),
            (postgres.host, postgres.port),
            (redis.host, redis.port),
            host=FRONT_END,
            within=network.within,
        ) as client,
    ):
        yield client


@needs_root
@needs_ip
def test_lost_packets_delay_no_request(front_end: FrontEnd, network: Network) -> None:
    """Requests end in time, dead connections are closed, and the front end recovers."""
    assert eventually(lambda: front_end.submit() == 200, RECOVERY)
    assert front_end.status() == 200
    assert front_end.lookup() == 200
    assert network.established()
    front_end.replies.clear()
    network.lose_packets()
    begun = time.monotonic()
    with ThreadPoolExecutor(2 * THREADS) as threads:
        submits = [threads.submit(front_end.submit) for _ in range(2 * THREADS)]
        assert {front_end.lookup() for _ in range(20)} == {200}
        assert front_end.get("/_health") == 503
        assert {each.result(60) for each in submits} == {503}
    assert eventually(lambda: not network.established(), 20)  # TCP_USER_TIMEOUT and keepalive
    assert time.monotonic() - begun < 20
    assert front_end.lookup() == 200
    front_end.require_in_time()
    network.restore()
    assert eventually(lambda: front_end.submit() == 200, RECOVERY)
    assert eventually(lambda: front_end.status() == 200, RECOVERY)
