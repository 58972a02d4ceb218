"""Many messages are published, each once, on a real server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from bench.nats.server import NatsServer
from nats_bridge import bulk_publishing
from nats_bridge.bulk_publishing import Message, NotStoredError, PublishCounts, publish_all
from tests.support.processes.nats_server import running_nats_server

MESSAGES = [Message(f"line {number}", f"id-{number}", b"{}") for number in range(600)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with running_nats_server(tmp_path / "nats") as server:
        yield server


async def publish(
    client: Client, messages: list[Message], subject: str = "a"
) -> tuple[PublishCounts, list[str]]:
    counts, refused = PublishCounts(), []

    def refuse(name: str, reason: str) -> None:
        refused.append(f"{name}: {reason}")

    await publish_all(client, subject, iter(messages), {"Key": "k"}, counts, refuse)
    return counts, refused


def test_a_second_run_stores_nothing(server: NatsServer) -> None:
    async def run() -> None:
        client = await nats.connect(server.url)
        jetstream = client.jetstream()
        await jetstream.add_stream(name="a", subjects=["a"])
        too_large = Message("line 7", "large", b"x" * (client.max_payload + 1))
        first, refused = await publish(client, [*MESSAGES, too_large])
        second, _ = await publish(client, MESSAGES)
        assert (first.stored, first.known) == (600, 0)
        assert (second.stored, second.known) == (0, 600)
        limit = client.max_payload
        [reason] = refused
        assert reason.startswith("line 7: its message has ")
        assert reason.endswith(f"; {limit} are possible here")
        stored = await jetstream.get_msg("a", 1)
        assert stored.headers == {"Key": "k", "Nats-Msg-Id": "id-0"}
        await client.close()

    asyncio.run(run())


def test_a_message_that_nothing_stores_ends_the_run(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_publishing, "GIVE_UP_AFTER", 0.5)

    async def run() -> None:
        client = await nats.connect(server.url)
        with pytest.raises(NotStoredError, match="no stream holds the subject"):
            await publish(client, MESSAGES[:2])
        await client.close()

    asyncio.run(run())


def test_lines_that_are_too_large_are_refused_and_the_others_published(server: NatsServer) -> None:
    """Headers count for the server. It closes the connection if a message is larger."""

    async def run() -> None:
        client = await nats.connect(server.url)
        jetstream = client.jetstream()
        config = await jetstream.add_stream(name="a", subjects=["a"])
        body = b"x" * (client.max_payload - 10)
        counts, refused = await publish(client, [Message("line 1", "1", body), MESSAGES[0]])
        assert (counts.stored, len(refused)) == (1, 1)
        await jetstream.update_stream(config.config.evolve(max_msg_size=1000))
        counts, refused = await publish(client, [Message("line 1", "1", body[:1001]), MESSAGES[1]])
        assert (counts.stored, len(refused)) == (1, 1)
        assert refused[0] == "line 1: its message is larger than the stream of a accepts"
        await client.close()

    asyncio.run(run())


def test_a_connection_that_is_closed_for_ever_ends_the_run(server: NatsServer) -> None:
    async def run() -> None:
        client = await nats.connect(server.url)
        await client.close()
        with pytest.raises(NotStoredError, match="the connection is closed"):
            await asyncio.wait_for(publish(client, MESSAGES[:2]), 10)

    asyncio.run(run())
