"""``acoustid ingest dead-letters``: lists refused messages, and publishes them again."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from nats.js.api import DiscardPolicy

from bench.nats.server import NatsServer
from cli.main import main
from nats_bridge.dead_letter_list import DeadLetters
from nats_bridge.link.connection import connect_once
from nats_bridge.link.link_errors import LinkError
from nats_bridge.streams.preparation import prepare
from pipeline.settings.sections import NatsSettings
from tests.support.processes.nats_server import delete_stream, running_nats_server

Run = Callable[..., Result]

STREAM = "acoustid_submissions"
REJECTED = "acoustid_submissions_rejected"
PROGRAM = "from cli.main import main; main()"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with running_nats_server(tmp_path / "nats") as running:
        yield running


@pytest.fixture
def run(server: NatsServer, tmp_path: Path) -> Run:
    configuration = tmp_path / "acoustid.conf"
    configuration.write_text(f"[nats]\nservers = {server.url}\n")

    def call(*arguments: str) -> Result:
        environ = {"ACOUSTID_CONFIG": str(configuration)}
        return CliRunner().invoke(main, ["ingest", "dead-letters", *arguments], env=environ)

    return call


def fill(server: NatsServer, number: int, **headers: str) -> None:
    """Publish dead letters with the codes 3 and 4 in turn."""

    async def publish() -> None:
        settings = NatsSettings.model_validate({"servers": server.url})
        client = await connect_once(settings, name="a test")
        jetstream = client.jetstream()
        await prepare(jetstream, settings)
        for place in range(number):
            sent = {
                "Acoustid-Client": "a-long-key",
                "X-Site": "Zürich",
                "Acoustid-Code": str(3 + place % 2),
                "Acoustid-Reason": "wrong \x1b[1m ü",
                "Acoustid-Message-Id": "first",
                "Nats-Msg-Id": f"{STREAM}:{place}",
                **headers,
            }
            await jetstream.publish(f"{STREAM}.rejected", b"\xff%d" % place, headers=sent)
        await client.close()

    asyncio.run(publish())


def messages(server: NatsServer, stream: str) -> list[tuple[dict[str, str] | None, bytes]]:
    """Return headers and body of each message of a stream."""

    async def read() -> list[tuple[dict[str, str] | None, bytes]]:
        settings = NatsSettings.model_validate({"servers": server.url})
        client = await connect_once(settings, name="a test")
        jetstream = client.jetstream()
        state = (await jetstream.stream_info(stream)).state
        found = []
        if state.messages and stream == STREAM:
            source = await jetstream.pull_subscribe_bind("acoustid_worker", stream=stream)
            found = [(each.headers, each.data) for each in await source.fetch(100, timeout=0.2)]
        assert len(found) == state.messages or stream != STREAM
        await client.close()
        return found or [(None, b"")] * state.messages

    return asyncio.run(read())


def test_dead_letters_are_listed_with_masked_keys(server: NatsServer, run: Run) -> None:
    assert "no stream holds the subject acoustid_submissions.rejected" in run("list").output
    fill(server, 3)
    lines = run("list").stdout.splitlines()
    assert lines[0].split() == ["sequence", "time", "code", "client", "size", "reason"]
    assert len(lines) == 4
    assert "a-long-key" not in run("list").output
    assert "\x1b" not in run("list").output
    rows: list[dict[str, Any]] = json.loads(run("list", "--json", "--code", "3").stdout)
    assert [each["sequence"] for each in rows] == [1, 3]
    assert rows[0]["reason"] == "wrong \x1b[1m ü"
    assert rows[0]["size"] == 2
    assert len(json.loads(run("list", "--json", "--limit", "1").stdout)) == 1
    assert json.loads(run("list", "--json", "--code", "77").stdout) == []


def test_a_message_is_published_as_it_was_and_its_dead_letter_deleted(
    server: NatsServer, run: Run
) -> None:
    fill(server, 4)
    result = run("requeue", "2", "99")
    assert result.exit_code == 4
    assert "1 message published again" in result.output
    assert "99 was refused: there is no such dead letter" in result.output
    [(headers, body)] = messages(server, STREAM)
    assert body == b"\xff1"
    assert headers is not None
    assert headers.pop("Nats-Msg-Id").startswith(f"requeue:{REJECTED}:2:")
    assert headers == {"Acoustid-Client": "a-long-key", "X-Site": "Zürich"}
    assert "1 message published again" in run("requeue", "--code", "4").output
    assert "2 messages published again" in run("requeue", "--all").output
    assert len(messages(server, REJECTED)) == 0
    assert "0 messages published again" in run("requeue", "--all").output


def test_a_second_requeue_after_an_interruption_has_no_effect(server: NatsServer, run: Run) -> None:
    fill(server, 1)

    async def publish_without_delete() -> None:
        settings = NatsSettings.model_validate({"servers": server.url})
        client = await connect_once(settings, name="a test")
        letters = await DeadLetters.open(client, settings)
        letter = await letters.find(1)
        assert letter is not None
        await client.jetstream().publish(STREAM, letter.body, headers=letters.sent_headers(letter))
        await client.close()

    asyncio.run(publish_without_delete())
    assert len(messages(server, REJECTED)) == 1
    assert "1 message published again" in run("requeue", "--all").output
    assert len(messages(server, STREAM)) == 1
    assert len(messages(server, REJECTED)) == 0


def test_two_commands_at_once_publish_a_message_once(server: NatsServer, run: Run) -> None:
    fill(server, 3)

    async def requeue_twice() -> None:
        settings = NatsSettings.model_validate({"servers": server.url})
        client = await connect_once(settings, name="a test")
        letters = await DeadLetters.open(client, settings)
        for sequence in (2, 1):  # one between others, and the first of the stream
            letter = await letters.find(sequence)
            assert letter is not None
            await letters.requeue(letter)
            await letters.requeue(letter)
        await client.close()

    asyncio.run(requeue_twice())
    assert "1 message published again" in run("requeue", "--all").output
    assert len(messages(server, STREAM)) == 3


def test_what_cannot_be_published_again_stays_with_its_reason(server: NatsServer, run: Run) -> None:
    fill(server, 1, **{"Acoustid-Cut": "5000000"})
    result = run("requeue", "--all")
    assert result.exit_code == 1
    assert "1 was refused: the body is incomplete" in result.output
    assert len(messages(server, REJECTED)) == 1
    assert run("requeue").exit_code == 2
    assert run("requeue", "1", "--all").exit_code == 2


def test_a_stream_that_permits_no_deletion_is_reported(server: NatsServer, run: Run) -> None:
    async def make() -> None:
        settings = NatsSettings.model_validate({"servers": server.url})
        client = await connect_once(settings, name="a test")
        await client.jetstream().add_stream(
            name="kept", subjects=[f"{STREAM}.rejected"], deny_delete=True
        )
        await client.close()

    asyncio.run(make())
    fill(server, 1)
    assert "stream kept permits no deletion" in run("requeue", "--all").output
    assert messages(server, STREAM) == []


def test_a_missing_server_is_reported(server: NatsServer) -> None:
    settings = NatsSettings.model_validate({"servers": server.url})
    server.kill()
    with pytest.raises(LinkError, match=f":{server.port}: the server is unreachable"):
        asyncio.run(connect_once(settings, name="a test", seconds=0.3))


def test_a_dead_letter_with_a_wrong_code_is_listed_and_published_again(
    server: NatsServer, run: Run
) -> None:
    fill(server, 1, **{"Acoustid-Code": "9" * 5000})
    [row] = json.loads(run("list", "--json").stdout)
    assert row["code"] is None
    assert "1 message published again" in run("requeue", "--all").output


def test_a_full_stream_is_named_by_the_text_of_the_server(server: NatsServer, run: Run) -> None:
    fill(server, 2)

    async def limit() -> None:
        settings = NatsSettings.model_validate({"servers": server.url})
        client = await connect_once(settings, name="a test")
        jetstream = client.jetstream()
        config = (await jetstream.stream_info(STREAM)).config
        await jetstream.update_stream(config.evolve(max_msgs=1, discard=DiscardPolicy.NEW))
        await client.close()

    asyncio.run(limit())
    result = run("requeue", "--all")
    assert result.exit_code == 1
    assert "NATS: maximum messages exceeded. Run the command again" in result.output
    assert len(messages(server, REJECTED)) == 1


def test_no_message_is_published_to_a_stream_that_loses_it(server: NatsServer, run: Run) -> None:
    """A stream with retention interest drops messages that no consumer reads."""
    fill(server, 1)

    async def replace() -> None:
        settings = NatsSettings.model_validate({"servers": server.url})
        client = await connect_once(settings, name="a test")
        jetstream = client.jetstream()
        await delete_stream(server, jetstream, STREAM)
        await jetstream.add_stream(name=STREAM, subjects=[STREAM], retention="interest")
        await client.close()

    asyncio.run(replace())
    result = run("requeue", "--all")
    assert result.exit_code == 1
    assert "so messages are lost" in result.output
    assert len(messages(server, REJECTED)) == 1


def test_a_reader_of_the_list_that_ends_is_no_fault_of_nats(
    server: NatsServer, tmp_path: Path
) -> None:
    fill(server, 1)
    configuration = tmp_path / "acoustid.conf"
    configuration.write_text(f"[nats]\nservers = {server.url}\n")
    for options in ([], ["--json"]):
        reader, writer = os.pipe()
        os.close(reader)
        found = subprocess.run(
            [sys.executable, "-c", PROGRAM, "ingest", "dead-letters", "list", *options],
            env={**os.environ, "ACOUSTID_CONFIG": str(configuration)},
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
        os.close(writer)
        assert "NATS" not in found.stderr
