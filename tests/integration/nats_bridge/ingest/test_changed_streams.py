"""Streams and consumers that are changed or deleted while messages are taken."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from nats_bridge.ingest.ingest_loop import IngestLoop
from nats_bridge.streams.preparation import prepare
from pipeline.settings.sections import NatsSettings
from tests.integration.nats_bridge.ingest.site import Link, Site, item
from tests.support.polling import eventually


@pytest.fixture(autouse=True)
def _frequent_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nats_bridge.ingest.ingest_loop.CHECK_INTERVAL", 0.2)


def settings_of(site: Site) -> NatsSettings:
    """Return the settings of a stream and a consumer that do not exist yet."""
    names = {"stream": f"{site.streams.stream}_own", "consumer": "c", "servers": site.url}
    return NatsSettings.model_validate({**names, "ack_wait": 1})


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    await asyncio.to_thread(eventually, condition)


async def send(link: Link, settings: NatsSettings, body: object) -> None:
    """Publish a message to the stream of the settings."""
    subject = settings.submission_subject
    own = Link(link.site, link.client)
    given = {"Acoustid-Client": link.site.application, "Acoustid-User": link.site.user}
    text = body if isinstance(body, bytes) else str(body).replace("'", '"').encode()
    await own.jetstream.publish(subject, text, headers=given)


@asynccontextmanager
async def taking_messages(link: Link, settings: NatsSettings) -> AsyncIterator[None]:
    """Run the ingest loop in the block; it has received one message before."""
    site = link.site
    stop = asyncio.Event()
    loop = IngestLoop(
        link.client, lambda: prepare(link.jetstream, settings), site.writer(), site.counts
    )
    await prepare(link.jetstream, settings)
    running = asyncio.create_task(loop.run(stop))
    await send(link, settings, item(1))
    await until(lambda: site.lengths() == [1])
    yield
    stop.set()
    await running


def test_a_consumer_that_becomes_wrong_is_reported_and_not_used(site: Site) -> None:
    settings = settings_of(site)

    async def scenario(link: Link) -> None:
        async with taking_messages(link, settings):
            config = (await link.jetstream.consumer_info(settings.stream, "c")).config
            await link.jetstream.add_consumer(settings.stream, config.evolve(max_deliver=5))
            await until(lambda: "max deliver 5" in site.counts.numbers().problem)
            await send(link, settings, item(2))
            await asyncio.sleep(0.5)
            assert site.lengths() == [1]
            await link.jetstream.delete_consumer(settings.stream, "c")  # it is made again
            await until(lambda: site.lengths() == [1, 2])
            await until(lambda: not site.counts.numbers().problem)

    site.run(scenario)


def test_a_deleted_stream_of_dead_letters_is_made_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nats_bridge.ingest.ingest_loop.CHECK_INTERVAL", 3600)
    settings = settings_of(site)

    async def scenario(link: Link) -> None:
        async with taking_messages(link, settings):
            await link.delete(f"{settings.stream}_rejected")
            await send(link, settings, b"{}")
            await until(lambda: settings.dead_letter_subject in site.counts.numbers().problem)
            await until(lambda: site.counts.numbers().refused == 1)
            await until(lambda: not site.counts.numbers().problem)
            rejected = await link.jetstream.stream_info(f"{settings.stream}_rejected")
            assert rejected.state.messages == 1

    site.run(scenario)
