"""Messages become receipts, each once, before they are acknowledged."""

import asyncio

import pytest

from nats_bridge import headers
from pipeline.catalog.ingest.finished_receipts import MIN_AGE, prune_receipts
from tests.integration.nats_bridge.ingest.site import Link, Site, item, mbid
from tests.support.polling import eventually


def test_messages_are_received_in_order_and_the_stream_is_empty(site: Site) -> None:
    async def scenario(link: Link) -> None:
        await link.publish(item(1, mbid=[mbid(1), mbid(2)]))
        await link.publish([item(2), item("3.5", year=1999)])
        for number in range(10, 200):
            await link.publish(item(number))
        await link.drain()
        await link.wait_for_left(0)

    site.run(scenario)
    assert site.lengths() == [1, 1, 2, 4, *range(10, 200)]
    assert [row.submission_ids for row in site.messages()[:2]] == [[1, 2], [3, 4]]
    tasks = [row.task_id for row in site.rows()]
    assert tasks[0] == tasks[1] == site.messages()[0].task_id != tasks[2] == tasks[3]
    eventually(lambda: [each for chain in site.chains for each in chain.ids] == list(range(1, 195)))
    numbers = site.counts.numbers()
    assert (numbers.received - numbers.redelivered, numbers.accepted) == (192, 194)
    assert (numbers.pending, numbers.unacknowledged, numbers.problem) == (0, 0, "")


def test_the_trace_id_of_a_message_reaches_its_tasks(site: Site) -> None:
    async def scenario(link: Link) -> None:
        for number in (1, 2):
            await link.publish(item(number))
            await link.drain()
            await asyncio.to_thread(eventually, lambda n=number: len(site.chains) == n)

    site.run(scenario)
    first, second = (chain.trace_id for chain in site.chains)
    assert first is not None
    assert first != second


def test_a_message_whose_acknowledgement_is_lost_keeps_its_ids(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(link: Link) -> None:
        with monkeypatch.context() as lost:
            lost.setattr("nats.aio.msg.Msg.ack", lambda _: asyncio.sleep(0))
            await link.publish(item(1))
            await link.publish([item(2), item(3)], message_id="load:2")
            stop = asyncio.Event()
            running = asyncio.create_task(link.loop().run(stop))
            await asyncio.to_thread(eventually, lambda: len(site.rows()) == 3)
            stop.set()
            await running
        assert await link.left() == 2
        await link.drain()  # another process, after the ack wait
        await link.wait_for_left(0)

    site.run(scenario)
    assert site.lengths() == [1, 2, 3]
    assert site.counts.numbers().redelivered >= 2


def test_a_message_id_is_received_once_however_often_it_is_published(site: Site) -> None:
    async def scenario(link: Link) -> None:
        for _ in range(3):
            await link.publish(item(1), message_id="radio:17")
            await asyncio.sleep(0.15)  # longer than the duplicate window
        await link.publish(item(2), message_id="radio:18")
        assert await link.left() == 4
        await link.drain()
        await link.publish(item(1), message_id="radio:17")
        await link.drain()

    site.run(scenario)
    assert site.lengths() == [1, 2]
    assert [row.message_id for row in site.messages()] == ["radio:17", "radio:18"]


def test_a_stream_that_was_made_again_is_another_stream(site: Site) -> None:
    async def scenario(link: Link) -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(link.loop().run(stop))
        await link.publish(item(1))
        await link.publish(item(2), message_id="a")
        await asyncio.to_thread(eventually, lambda: len(site.rows()) == 2)
        await link.delete(site.streams.stream)
        await link.make_streams()
        assert await link.publish(item(3)) == 1  # the same sequence number
        await link.publish(item(4), message_id="a")
        await asyncio.to_thread(eventually, lambda: len(site.rows()) == 4)
        stop.set()
        await running

    site.run(scenario)
    assert site.lengths() == [1, 2, 3, 4]


def test_a_kill_after_the_commit_loses_and_doubles_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workers import the submissions when their leases end; the message is known."""

    def die(*_: object) -> None:
        raise SystemExit

    async def scenario(link: Link) -> None:
        await link.publish(item(1))
        with monkeypatch.context() as killed:
            killed.setattr("nats_bridge.ingest.batch.SubmissionPublisher.add", die)
            with pytest.raises(SystemExit):
                await link.drain()
        assert (await link.left(), site.lengths()) == (1, [1])
        await link.drain()
        await link.wait_for_left(0)

    site.run(scenario)
    assert site.lengths() == [1]
    assert not site.chains


def test_the_record_of_a_message_is_pruned_with_its_receipts(site: Site) -> None:
    async def scenario(link: Link) -> None:
        await link.publish([item(1), item(2)], message_id="a")
        await link.publish(item(3), message_id="b")
        await link.drain()

    site.run(scenario)
    site.finish()
    with site.databases.engine("ingest").begin() as connection:
        assert prune_receipts(connection, MIN_AGE, 1).total() == 2
    assert [row.message_id for row in site.messages()] == ["b"]


def test_headers_may_have_any_case(site: Site) -> None:
    async def scenario(link: Link) -> None:
        keys = {"acoustid_client": site.application, "ACOUSTID_USER": site.user}
        nothing = {headers.CLIENT.replace("-", "_"): None, headers.USER.replace("-", "_"): None}
        await link.publish(item(1), None, **nothing, **keys)
        await link.drain()

    site.run(scenario)
    assert site.lengths() == [1]
