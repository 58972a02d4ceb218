"""Stream and consumer: made if absent, checked if present, made again if they are lost."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nats import errors
from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from bench.nats.server import NatsServer
from nats_bridge.link.connection import connect_once
from nats_bridge.streams.preparation import SetupError, ensure_stream_of, prepare, raise_refusal
from pipeline.settings.sections import NatsSettings
from tests.support.processes.nats_server import delete_stream, running_nats_server

Use = Callable[[JetStreamContext, Callable[..., NatsSettings]], Awaitable[None]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with running_nats_server(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest.fixture
def using(server: NatsServer) -> Callable[[Use], None]:
    """Return a function that calls a coroutine with JetStream, without any stream."""

    def settings(**options: Any) -> NatsSettings:
        return NatsSettings.model_validate({"servers": server.url, **options})

    async def main(use: Use) -> None:
        client = await connect_once(settings(), name="a test")
        jetstream = client.jetstream(timeout=5)
        try:
            for each in await jetstream.streams_info():
                await delete_stream(server, jetstream, str(each.config.name))
            await use(jetstream, settings)
        finally:
            await client.close()

    return lambda use: asyncio.run(main(use))


def test_stream_consumer_and_dead_letters_are_made_once(using: Callable[[Use], None]) -> None:
    async def use(jetstream: JetStreamContext, settings: Callable[..., NatsSettings]) -> None:
        made = await prepare(jetstream, settings())
        assert made == await prepare(jetstream, settings())
        stream = (await jetstream.stream_info("acoustid_submissions")).config
        assert stream.subjects == ["acoustid_submissions"]
        assert (stream.retention, stream.storage) == ("workqueue", "file")
        consumer = (await jetstream.consumer_info(made.stream, made.consumer)).config
        assert (consumer.ack_policy, consumer.max_deliver) == ("explicit", -1)
        assert consumer.filter_subject == made.subject == "acoustid_submissions"
        rejected = (await jetstream.stream_info(made.dead_letter_stream)).config
        assert rejected.name == "acoustid_submissions_rejected"
        assert rejected.subjects == ["acoustid_submissions.rejected"]
        assert rejected.retention == "limits"
        changed = await prepare(jetstream, settings(ack_wait=60))
        assert (made.ack_wait, changed.ack_wait) == (30, 60)

    using(use)


@pytest.mark.parametrize("retention", ["workqueue", "limits", "interest"])
def test_an_existing_stream_is_used_as_it_is(retention: str, using: Callable[[Use], None]) -> None:
    async def use(jetstream: JetStreamContext, settings: Callable[..., NatsSettings]) -> None:
        await jetstream.add_stream(
            name="mine",
            subjects=["site.>"],
            retention=retention,
            max_msgs=1000,
            max_age=3600,
            discard="new",
            duplicate_window=5,
        )
        dead = None if retention == "interest" else "site.dead"
        chosen = settings(stream="mine", subject="site.in.1", dead_letter=dead)
        before = (await jetstream.stream_info("mine")).config
        found = await prepare(jetstream, chosen)
        assert (await jetstream.stream_info("mine")).config == before
        assert found.dead_letter_stream == ("mine" if dead else "mine_rejected")
        await jetstream.publish("site.in.1", b"one")
        await jetstream.publish("site.in.2", b"two")
        source = await jetstream.pull_subscribe_bind(found.consumer, stream="mine")
        assert [each.data for each in await source.fetch(10, timeout=0.2)] == [b"one"]

    using(use)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"ack_policy": "none"}, "ack policy none (it must be explicit)"),
        ({"ack_policy": "all"}, "ack policy all (it must be explicit)"),
        ({"deliver_policy": "new"}, "deliver policy new (it must be all)"),
        ({"deliver_policy": "last"}, "deliver policy last (it must be all)"),
        ({"replay_policy": "original"}, "replay policy original (it must be instant)"),
        ({"max_deliver": 5}, "max deliver 5 (it must be -1"),
        ({"headers_only": True}, "headers only"),
        ({"filter_subject": "site.>"}, "the filter site.> (it must be site.in)"),
        ({"filter_subject": None}, "the filter no subject (it must be site.in)"),
        ({"deliver_subject": "x"}, "the deliver subject x (it must be a pull consumer)"),
    ],
)
def test_a_wrong_consumer_is_named_with_what_to_change(
    wrong: dict[str, Any], problem: str, using: Callable[[Use], None]
) -> None:
    right = {"durable_name": "c", "ack_policy": "explicit", "filter_subject": "site.in"}

    async def use(jetstream: JetStreamContext, settings: Callable[..., NatsSettings]) -> None:
        await jetstream.add_stream(name="mine", subjects=["site.>"])
        await jetstream.add_consumer("mine", **{**right, **wrong})
        with pytest.raises(SetupError) as raised:
            await prepare(jetstream, settings(stream="mine", subject="site.in", consumer="c"))
        assert f"consumer c of stream mine has {problem}" in str(raised.value)
        assert "nats consumer rm mine c" in str(raised.value)

    using(use)


def test_subjects_of_other_streams_are_reported(using: Callable[[Use], None]) -> None:
    async def use(jetstream: JetStreamContext, settings: Callable[..., NatsSettings]) -> None:
        await jetstream.add_stream(name="mine", subjects=["site.*"])
        with pytest.raises(SetupError, match="does not hold the subject other"):
            await prepare(jetstream, settings(stream="mine", subject="other"))
        with pytest.raises(SetupError, match=r"stream mine holds the subject site\.in of stream b"):
            await prepare(jetstream, settings(stream="b", subject="site.in"))
        await jetstream.add_stream(name="lossy", subjects=["x"], retention="interest")
        with pytest.raises(SetupError, match="stream lossy, which holds x, has retention interest"):
            await ensure_stream_of(jetstream, "x", "unused")
        await jetstream.add_stream(name="silent", subjects=["z"], no_ack=True)
        with pytest.raises(SetupError, match=r"stream silent, which holds z, .* \(no_ack\)"):
            await ensure_stream_of(jetstream, "z", "unused")
        with pytest.raises(SetupError, match="stream mine does not hold the subject y"):
            await ensure_stream_of(jetstream, "y", "mine")
        await jetstream.add_stream(name="queue", subjects=["q"], retention="workqueue")
        await jetstream.add_consumer(
            "queue", durable_name="of_others", filter_subject="q", ack_policy="explicit"
        )
        with pytest.raises(SetupError, match="cannot be made: the server refuses it"):
            await prepare(jetstream, settings(stream="queue", subject="q"))

    using(use)


def test_a_stream_that_removes_unread_messages_needs_a_reader_of_the_subject(
    using: Callable[[Use], None],
) -> None:
    """The consumer of the submissions reads no announcements and no dead letters."""

    async def use(jetstream: JetStreamContext, settings: Callable[..., NatsSettings]) -> None:
        await jetstream.add_stream(name="mine", subjects=["site.>"], retention="interest")
        chosen = settings(stream="mine", subject="site.in", dead_letter="other.dead")
        await prepare(jetstream, chosen)
        with pytest.raises(SetupError, match=r"holds site\.out, has retention interest"):
            await ensure_stream_of(jetstream, "site.out", "unused")
        await jetstream.add_consumer(
            "mine", durable_name="reader", filter_subject="site.*", ack_policy="explicit"
        )
        assert await ensure_stream_of(jetstream, "site.out", "unused") == "mine"

    using(use)


def test_a_fault_that_may_pass_is_no_cause_of_itself() -> None:
    error = APIError(code=503, err_code=10008, description="system temporarily unavailable")
    with pytest.raises(APIError) as raised:
        raise_refusal("stream x cannot be made", error)
    assert raised.value is error
    assert raised.value.__cause__ is None


def test_a_subject_that_the_server_keeps_for_itself_is_reported(
    using: Callable[[Use], None],
) -> None:
    async def use(jetstream: JetStreamContext, settings: Callable[..., NatsSettings]) -> None:
        with pytest.raises(SetupError, match="stream other cannot be made: the server refuses it"):
            await prepare(jetstream, settings(stream="other", subject="$JS.API.other"))

    using(use)


def test_a_lost_stream_is_noticed_and_made_again(
    server: NatsServer, using: Callable[[Use], None]
) -> None:
    async def use(jetstream: JetStreamContext, settings: Callable[..., NatsSettings]) -> None:
        first = await prepare(jetstream, settings())
        source = await jetstream.pull_subscribe_bind(first.consumer, stream=first.stream)
        await delete_stream(server, jetstream, first.stream)
        # A fetch raises an error of "no responders", or times out before release 2.10.
        with pytest.raises((ServiceUnavailableError, errors.TimeoutError)):
            await source.fetch(1, timeout=0.2)
        with pytest.raises(NotFoundError):
            await source.consumer_info()
        second = await prepare(jetstream, settings())
        assert second.stream_created > first.stream_created
        await jetstream.publish(second.subject, b"again")
        [message] = await source.fetch(1, timeout=2)
        assert message.data == b"again"

    using(use)


def test_a_server_without_jetstream_is_reported(tmp_path: Path) -> None:
    configuration = tmp_path / "nats.conf"
    configuration.write_text("accounts: {a: {users: [{user: u, password: p}]}}\n")

    async def main(settings: NatsSettings) -> None:
        client = await connect_once(settings, name="a test")
        try:
            with pytest.raises(SetupError, match="JetStream is off"):
                await prepare(client.jetstream(), settings)
        finally:
            await client.close()

    with running_nats_server(tmp_path / "nats", "-c", str(configuration)) as server:
        chosen = {"servers": server.url, "user": "u", "password": "p"}
        asyncio.run(main(NatsSettings.model_validate(chosen)))
