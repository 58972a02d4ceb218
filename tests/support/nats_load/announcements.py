"""Announcements of final states in tests: rows of the outbox, and the messages of their stream."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig

from bench.nats.server import NatsServer
from pipeline.catalog.ingest import outbox
from pipeline.catalog.ingest.outbox import FinalState
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import NatsSettings
from tests.support.processes.nats_server import delete_stream

SUBJECT: Final = "events.final"
STREAM: Final = "acoustid_submissions_announcements"
TASK: Final = UUID(int=1)


def nats_settings(server: NatsServer) -> NatsSettings:
    return NatsSettings(servers=(server.url,), publish_subject=SUBJECT)


def write(databases: Databases, *finals: tuple[int, int | None, str]) -> None:
    """Write rows: the submission, the number of its track, the reason."""
    with databases.engine("ingest").begin() as connection:
        outbox.write(
            connection,
            [
                FinalState(
                    submission_id=submission_id,
                    task_id=TASK,
                    track_gid=None if track is None else UUID(int=track),
                    state="failed" if track is None else "imported",
                    reason=reason or None,
                )
                for submission_id, track, reason in finals
            ],
        )


def waiting(databases: Databases) -> int:
    with databases.engine("ingest").connect() as connection:
        return outbox.measure(connection).rows


def run(server: NatsServer, test: Callable[[Client], Awaitable[None]]) -> None:
    """Run a test on a connection, without the stream of an earlier test."""

    async def connected() -> None:
        client = await nats.connect(
            server.url,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.1,
            error_cb=_ignore,
        )
        try:
            for name in await _streams(client.jetstream()):
                await delete_stream(server, client.jetstream(), name)
            async with asyncio.timeout(60):
                await test(client)
        finally:
            await client.close()

    asyncio.run(connected())


async def _ignore(_error: Exception) -> None:
    """Leave errors of the connection to the test."""


async def _streams(jetstream: JetStreamContext) -> list[str]:
    return [each.config.name or "" for each in await jetstream.streams_info()]


async def published(jetstream: JetStreamContext, stream: str = STREAM) -> list[dict[str, Any]]:
    """Return the announcements in a stream, in order."""
    number = (await jetstream.stream_info(stream)).state.messages
    without_ack = ConsumerConfig(ack_policy=AckPolicy.NONE)
    subscription = await jetstream.pull_subscribe(SUBJECT, stream=stream, config=without_ack)
    found: list[dict[str, Any]] = []
    while len(found) < number:
        messages = await subscription.fetch(number - len(found), timeout=10)
        found += [json.loads(each.data) for each in messages]
    return found


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def submissions(announcements: list[dict[str, Any]]) -> list[int]:
    return [each["submission_id"] for each in announcements]
