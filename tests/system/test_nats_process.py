"""A whole stack takes submissions from NATS, announces their states, and survives its absence."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nats
import pytest
from nats.js.api import ConsumerConfig, DeliverPolicy

from bench.nats.server import NatsServer
from cli.exit_status import ExitStatus
from cli.stack.data_directory import DataDir
from tests.support.catalogue.recordings import recordings
from tests.support.polling import eventually
from tests.support.processes.nats_server import running_nats_server
from tests.support.processes.servers import temporary_folder
from tests.support.processes.whole_stack import WholeStack, running_stack

SUBMITTED = 3
PUBLISH_SUBJECT = "acoustid.final"


class Installation(NamedTuple):
    """A stack, its server of NATS, and a file with good lines and two wrong ones."""

    stack: WholeStack
    server: NatsServer
    lines: Path


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    with temporary_folder() as folder, running_nats_server(folder / "nats") as server:
        lines = folder / "lines.jsonl"
        lines.write_text("\n".join([*map(line_of, range(SUBMITTED)), "no JSON", bad_line()]))
        own = {
            "ACOUSTID_NATS_SERVERS": server.url,
            "ACOUSTID_NATS_PUBLISH_SUBJECT": PUBLISH_SUBJECT,
        }
        with running_stack(DataDir.at(folder / "data"), WholeStack, **own) as stack:
            yield Installation(stack, server, lines)


def line_of(number: int) -> str:
    each = recordings()[number]
    fields = {"duration": int(each.original.duration), "mbid": each.mbid, "track": each.title}
    return json.dumps({"fingerprint": each.original.fingerprint, **fields})


def bad_line() -> str:
    """Return a line that only the service refuses: its fingerprint cannot be decoded."""
    return json.dumps({"fingerprint": "AQAA", "duration": 100, "track": "no fingerprint"})


def pid_of(stack: WholeStack) -> int:
    """Return the id of the only process with the role, which has sent a heartbeat."""
    found = stack.status()
    [pid] = [each["pid"] for each in found["processes"] if each["role"] == "ingest-nats"]
    assert [each["pid"] for each in found["nats"]["processes"]] == [pid]
    return int(pid)


def ingest_of(stack: WholeStack) -> dict[str, Any]:
    """Return the state of the process in `acoustid status`; empty before its first heartbeat."""
    found: list[dict[str, Any]] = stack.status()["nats"]["processes"]
    return found[0] if found else {}


def stored(server: NatsServer, subject: str) -> list[tuple[dict[str, str], bytes]]:
    """Return headers and bodies of all messages of a subject."""

    async def read() -> list[tuple[dict[str, str], bytes]]:
        client = await nats.connect(server.url)
        jetstream = client.jetstream()
        stream = await jetstream.find_stream_name_by_subject(subject)
        count = (await jetstream.stream_info(stream)).state.messages
        found = []
        reader = await jetstream.pull_subscribe(
            subject, stream=stream, config=ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
        )
        while len(found) < count:
            found += [(each.headers or {}, each.data) for each in await reader.fetch(count)]
        await client.close()
        return found

    return asyncio.run(read())


def test_a_file_is_published_imported_and_announced(installation: Installation) -> None:
    stack, server, lines = installation
    eventually(lambda: ingest_of(stack).get("connected"))
    assert stack.status()["state"] == "ready"
    keys = ("--client", stack.client, "--user", stack.user)
    published = stack.acoustid("ingest", "nats", "--from-file", str(lines), *keys)
    assert published.returncode == ExitStatus.PARTIAL, published.stderr
    assert published.stdout == "4 messages published, 1 refused\n"
    assert "line 4 was refused: not valid JSON" in published.stderr
    eventually(lambda: stack.status()["submissions"]["imported"] == SUBMITTED)
    announced = eventually(lambda: announcements(server))
    assert {each["state"] for each in announced} == {"imported"}
    assert {each["mbid"] for each in announced} == {each.mbid for each in recordings()[:SUBMITTED]}
    ((headers, body),) = stored(server, "acoustid_submissions.rejected")
    assert json.loads(body)["track"] == "no fingerprint"
    assert headers["Acoustid-Client"] == stack.client
    assert headers["Acoustid-Code"]
    again = stack.acoustid("ingest", "nats", "--from-file", str(lines), *keys)
    assert again.stdout == "0 messages published, 4 were published before, 1 refused\n"
    drained = stack.acoustid("ingest", "nats", "--once")
    assert drained.returncode == 0, drained.stderr
    assert drained.stdout == "0 submissions accepted, 0 refused, of 0 messages (0 redelivered)\n"
    assert stack.status()["submissions"]["imported"] == SUBMITTED
    assert len(stack.status()["nats"]["processes"]) == 1


def announcements(server: NatsServer) -> list[dict[str, Any]]:
    """Return the announcements as soon as there is one for each submission."""
    found = [json.loads(body) for _, body in stored(server, PUBLISH_SUBJECT)]
    return found if len(found) == SUBMITTED else []


def test_the_process_stays_while_nats_is_away(installation: Installation) -> None:
    stack, server, _ = installation
    before = pid_of(stack)
    server.stop()
    eventually(lambda: not ingest_of(stack).get("connected"))
    found = stack.status()
    assert found["state"] == "degraded"
    assert "no process is connected to NATS" in " ".join(found["health"]["faults"])
    assert "not connected for" in stack.acoustid("status").stdout
    server.start()
    eventually(lambda: ingest_of(stack).get("connected"))
    assert ingest_of(stack)["reconnects"] == 1
    assert pid_of(stack) == before
    assert "Traceback" not in stack.data.log("ingest-nats").read_text()
