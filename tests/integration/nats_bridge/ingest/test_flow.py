"""Limits: pending submissions, and the size of a batch."""

import asyncio
from collections.abc import Sequence

import pytest

from nats_bridge.ingest.held_message import HeldMessage
from nats_bridge.ingest.ingest_loop import AT_LIMIT
from nats_bridge.ingest.receipts import NatsReceipts, Stored
from pipeline.catalog.ingest.nats_messages import NewMessage
from tests.integration.nats_bridge.ingest.site import Link, Site, item
from tests.support.polling import eventually


def test_two_processes_keep_the_limit_of_pending_submissions_exactly(site: Site) -> None:
    limit = 25

    async def scenario(link: Link) -> None:
        for number in range(1, 101):
            await link.publish(item(number))
        stop = asyncio.Event()
        async with site.connected() as other:
            loops = [
                asyncio.create_task(each.loop(max_pending=limit).run(stop))
                for each in (link, other)
            ]
            for round_ in range(1, 5):
                await asyncio.to_thread(
                    eventually, lambda count=round_ * limit: len(site.rows()) == count
                )
                await asyncio.sleep(0.1)  # longer than the pause between two attempts
                assert len(site.rows()) == round_ * limit
                await asyncio.to_thread(site.finish)
            stop.set()
            await asyncio.gather(*loops)
        await link.wait_for_left(0)

    site.run(scenario)
    assert sorted(site.lengths()) == list(range(1, 101))


def test_a_message_above_the_limit_is_received_while_nothing_is_pending(site: Site) -> None:
    async def scenario(link: Link) -> None:
        await link.publish(item(1))
        await link.publish([item(number) for number in range(2, 12)])
        await link.publish(item(12))
        stop = asyncio.Event()
        running = asyncio.create_task(link.loop(max_pending=5).run(stop))
        await asyncio.to_thread(eventually, lambda: len(site.rows()) == 1)
        await asyncio.sleep(0.1)
        assert site.counts.numbers().problem == AT_LIMIT
        assert site.lengths() == [1]  # the order is kept: the last message waits, too
        await asyncio.to_thread(site.finish)
        await asyncio.to_thread(eventually, lambda: len(site.rows()) == 11)
        await asyncio.to_thread(site.finish)
        await asyncio.to_thread(eventually, lambda: len(site.rows()) == 12)
        stop.set()
        await running

    site.run(scenario)
    assert site.lengths() == list(range(1, 13))


def test_a_batch_has_a_limited_size(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    three = 3 * 1024 * 1024  # the server accepts messages of 1 MiB
    monkeypatch.setattr("nats_bridge.ingest.fetching.MAX_BYTES", three)
    sizes: list[int] = []

    async def scenario(link: Link) -> None:
        writer = site.writer()
        check = writer.check

        def measure(messages: Sequence[HeldMessage]) -> list[HeldMessage]:
            sizes.append(len(messages))
            return check(messages)

        monkeypatch.setattr(writer, "check", measure)
        for number in range(1, 11):
            await link.publish(item(number))
        await link.drain(writer)

    site.run(scenario)
    assert site.lengths() == list(range(1, 11))
    assert max(sizes) == 3


def test_a_transaction_has_a_limited_number_of_receipts(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nats_bridge.ingest.batch.MAX_RECEIPTS", 10)
    sizes: list[int] = []
    write = NatsReceipts.write

    def measure(self: NatsReceipts, messages: Sequence[NewMessage]) -> dict[bytes, Stored]:
        sizes.append(sum(len(each.receipts) for each in messages))
        return write(self, messages)

    monkeypatch.setattr(NatsReceipts, "write", measure)
    lists = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11], list(range(12, 40)), [40]]

    async def scenario(link: Link) -> None:
        for each in lists:
            await link.publish([item(number) for number in each])
        await link.drain()

    site.run(scenario)
    assert site.lengths() == list(range(1, 41))
    assert max(sizes) == 28  # a message of its own
    assert all(size <= 10 for size in sizes if size != 28)
