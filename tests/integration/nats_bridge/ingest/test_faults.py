"""Faults of the infrastructure delay messages. They refuse none and lose none."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from cli.stack.servers.ports import free_port
from nats_bridge.ingest.fetching import IngestStreams
from nats_bridge.ingest.ingest_loop import IngestLoop
from nats_bridge.streams.preparation import SetupError
from pipeline.catalog.app.maintenance import begin_maintenance, end_maintenance
from pipeline.runtime.databases import Databases
from tests.integration.nats_bridge.ingest.site import Link, Site, item
from tests.support.polling import eventually


@contextmanager
def renamed(databases: Databases, name: str, table: str) -> Iterator[None]:
    """Make statements on a table fail inside the block."""

    def rename(old: str, new: str) -> None:
        with databases.engine(name).begin() as connection:  # type: ignore[arg-type]
            connection.execute(sa.text(f"ALTER TABLE {old} RENAME TO {new}"))

    rename(table, "gone")
    try:
        yield
    finally:
        rename("gone", table)


@contextmanager
def maintained(databases: Databases) -> Iterator[None]:
    """Turn the maintenance mode on inside the block."""
    with databases.engine("app").begin() as connection:
        begin_maintenance(connection, "test")
    yield
    with databases.engine("app").begin() as connection:
        end_maintenance(connection)


FAULTS: dict[str, Callable[[Databases], object]] = {
    "no receipts": lambda databases: renamed(databases, "ingest", "submission"),
    "no keys": lambda databases: renamed(databases, "app", "application"),
    "maintenance": maintained,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_messages_wait_for_the_end_of_a_fault(site: Site, fault: str) -> None:
    async def scenario(link: Link) -> None:
        stop = asyncio.Event()
        with FAULTS[fault](site.databases):  # type: ignore[attr-defined]
            await link.publish(item(1))
            await link.publish(item(2))
            running = asyncio.create_task(link.loop().run(stop))
            await asyncio.to_thread(eventually, lambda: site.counts.numbers().problem)
            await asyncio.sleep(0.6)  # longer than the ack wait
            numbers = site.counts.numbers()
            assert (numbers.refused, numbers.accepted, numbers.received) == (0, 0, 2)
        await asyncio.to_thread(eventually, lambda: len(site.rows()) == 2)
        await asyncio.to_thread(eventually, lambda: not site.counts.numbers().problem)
        stop.set()
        await running
        await link.wait_for_left(0)
        assert await link.dead_letters() == []

    site.run(scenario)
    assert site.lengths() == [1, 2]


def test_messages_are_given_back_after_a_while(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nats_bridge.ingest.ingest_loop.HOLD_TIME", 0.2)

    async def scenario(link: Link) -> None:
        stop = asyncio.Event()
        with renamed(site.databases, "ingest", "submission"):
            await link.publish(item(1))
            running = asyncio.create_task(link.loop().run(stop))
            await asyncio.to_thread(eventually, lambda: site.counts.numbers().redelivered > 0)
        await asyncio.to_thread(eventually, lambda: len(site.rows()) == 1)
        stop.set()
        await running
        await link.wait_for_left(0)

    site.run(scenario)
    assert site.counts.numbers().retried >= 1


def test_a_wrong_consumer_is_logged_once_with_what_to_change(site: Site) -> None:
    attempts: list[None] = []

    async def prepare() -> IngestStreams:
        attempts.append(None)
        raise SetupError("the consumer must be a pull consumer")

    async def scenario(link: Link) -> None:
        stop = asyncio.Event()
        loop = IngestLoop(link.client, prepare, site.writer(), site.counts)
        running = asyncio.create_task(loop.run(stop))
        await asyncio.to_thread(eventually, lambda: len(attempts) > 1)
        stop.set()
        await running

    with capture_logs() as records:
        site.run(scenario)
    [record] = [each for each in records if each["event"] == "messages wait"]
    assert record["problem"] == site.counts.numbers().problem
    assert record["problem"] == "the consumer must be a pull consumer"
    assert record["exc_info"] is None


def test_without_redis_messages_are_received(site: Site) -> None:
    async def scenario(link: Link) -> None:
        settings = site.script.settings
        away = settings.redis.model_copy(update={"port": free_port()})
        await link.publish(item(1))
        await link.publish(b"{}")
        site.sends = False
        await link.drain(site.writer(redis=away))
        assert len(await link.dead_letters()) == 1

    site.run(scenario)
    assert site.lengths() == [1]
    assert not site.chains  # the workers import the submission when its lease ends


def test_a_stop_gives_held_messages_back(site: Site) -> None:
    async def scenario(link: Link) -> None:
        stop = asyncio.Event()
        with renamed(site.databases, "ingest", "submission"):
            await link.publish(item(1))
            running = asyncio.create_task(link.loop().run(stop))
            await asyncio.to_thread(eventually, lambda: site.counts.numbers().problem)
            stop.set()
            await asyncio.wait_for(running, 5)
        await link.drain()

    site.run(scenario)
    assert site.lengths() == [1]
