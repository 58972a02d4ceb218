"""Announcements reach a stream of NATS at least once, and in order for a track."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest
import sqlalchemy as sa
from nats.aio.client import Client
from nats.js.api import DiscardPolicy, StreamConfig

from bench.nats.server import NatsServer
from nats_bridge.announcements import announcer as announcer_module
from nats_bridge.announcements.announcer import AnnouncementCounts, Announcer
from pipeline.catalog.advisory_locks import try_lock_announcer
from pipeline.catalog.ingest import outbox
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.links.proxy import LinkProxy
from tests.support.nats_load.announcements import (
    STREAM,
    TASK,
    nats_settings,
    published,
    run,
    submissions,
    until,
    waiting,
    write,
)
from tests.support.processes.nats_server import delete_stream, running_nats_server

ROWS: Final = 400


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with running_nats_server(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
def databases(settings: Settings) -> Iterator[Databases]:
    made = Databases(settings, component="tests")
    with made.engine("ingest").begin() as connection:
        connection.execute(sa.text("TRUNCATE outbox RESTART IDENTITY"))
    yield made
    made.dispose()


def test_rows_are_published_in_order_and_deleted(databases: Databases, server: NatsServer) -> None:
    async def test(client: Client) -> None:
        counts = AnnouncementCounts()
        write(databases, (1, 5, ""), (2, None, "why"), (1, 6, ""), (3, 5, ""), (4, 5, ""))
        await Announcer(databases, client, nats_settings(server), counts).run(
            asyncio.Event(), until_empty=True
        )
        jetstream = client.jetstream()
        found = await published(jetstream)
        assert submissions(found) == [1, 2, 1, 3, 4]
        assert [each["number"] for each in found] == [1, 2, 3, 4, 5]
        assert found[1] == {
            "number": 2,
            "submission_id": 2,
            "task_id": str(TASK),
            "track_id": None,
            "mbid": None,
            "state": "failed",
            "reason": "why",
            "message_id": None,
            "message_sequence": None,
        }
        first = await jetstream.get_msg(STREAM, 1)
        assert first.headers == {"Nats-Msg-Id": f"{TASK}:1"}
        assert (await jetstream.stream_info(STREAM)).config.max_age == 7 * 86_400
        assert waiting(databases) == 0
        assert (counts.announced, counts.problem) == (5, "")

    run(server, test)


def test_two_publishers_take_turns(
    databases: Databases, server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Together they publish each row once, in order for a track."""
    monkeypatch.setattr(announcer_module, "BATCH", ROWS // 5)

    async def test(client: Client) -> None:
        write(databases, *((number, number % 50, "") for number in range(ROWS)))
        counts = [AnnouncementCounts(), AnnouncementCounts()]
        await asyncio.gather(
            *(
                Announcer(databases, client, nats_settings(server), each).run(
                    asyncio.Event(), until_empty=True
                )
                for each in counts
            )
        )
        assert sum(each.announced for each in counts) == ROWS
        state = (await client.jetstream().stream_info(STREAM)).state
        assert state.messages == ROWS
        found = submissions(await published(client.jetstream()))
        assert sorted(found) == list(range(ROWS))
        by_track = sorted(found, key=lambda number: number % 50)
        assert by_track == sorted(range(ROWS), key=lambda number: number % 50)

    run(server, test)


def test_rows_wait_while_nats_is_away(
    databases: Databases, server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcer_module, "ACK_TIME", 0.5)

    async def test(client: Client) -> None:
        stop = asyncio.Event()
        write(databases, (1, 5, ""))
        running = asyncio.create_task(
            Announcer(databases, client, nats_settings(server), AnnouncementCounts()).run(stop)
        )
        await until(lambda: waiting(databases) == 0)
        server.kill()
        write(databases, (2, 5, ""), (3, 5, ""))
        await asyncio.sleep(0.7)
        with databases.engine("ingest").connect() as connection:
            found = outbox.measure(connection)
        assert found.rows == 2
        assert found.oldest_seconds is not None
        assert found.oldest_seconds >= 0.5
        write(databases, (4, None, ""))
        server.start()
        await until(lambda: waiting(databases) == 0)
        stop.set()
        await running
        # A row of a window that was not acknowledged may be published twice.
        found_submissions = submissions(await published(client.jetstream()))
        assert list(dict.fromkeys(found_submissions)) == [1, 2, 3, 4]

    run(server, test)


def test_a_refusal_is_reported_and_rows_are_published_when_it_ends(
    databases: Databases, server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcer_module, "LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(announcer_module, "REFUSED_PAUSE", 0.2)
    own = StreamConfig(
        name="own", subjects=["events.>"], max_msgs=2, discard=DiscardPolicy.NEW, max_msg_size=1000
    )

    async def test(client: Client) -> None:
        stop = asyncio.Event()
        counts = AnnouncementCounts()
        jetstream = client.jetstream()
        await jetstream.add_stream(own)
        running = asyncio.create_task(
            Announcer(databases, client, nats_settings(server), counts).run(stop)
        )
        write(databases, (1, 5, "long" * 300), (2, 6, ""), (3, 5, ""))
        await until(lambda: "max_msg_size" in counts.problem)
        await until(lambda: waiting(databases) == 2)
        assert submissions(await published(jetstream, "own")) == [2]  # other tracks go on
        await jetstream.update_stream(own.evolve(max_msg_size=-1))
        await until(lambda: waiting(databases) == 1)
        await until(lambda: "maximum messages exceeded" in counts.problem)
        await jetstream.update_stream(own.evolve(max_msg_size=-1, max_msgs=-1))
        await until(lambda: waiting(databases) == 0 and not counts.problem)
        assert submissions(await published(jetstream, "own")) == [2, 1, 3]
        await delete_stream(server, jetstream, "own")
        write(databases, (4, 5, ""))
        await until(lambda: waiting(databases) == 0)  # in a new stream
        stop.set()
        await running
        assert submissions(await published(jetstream)) == [4]

    run(server, test)


def test_the_outbox_is_read_from_the_last_row_and_at_intervals_from_the_first(
    databases: Databases, server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup keeps deleted rows. A database that was copied back has rows with lower ids."""
    monkeypatch.setattr(announcer_module, "REFUSED_PAUSE", 1.0)
    starts: list[int] = []
    engine = databases.engine("ingest")

    @sa.event.listens_for(engine, "before_cursor_execute")
    def note(*given: Any) -> None:
        if "WHERE outbox.id > " in given[2]:
            starts.append(next(iter(given[3].values())))

    async def test(client: Client) -> None:
        announcer = Announcer(databases, client, nats_settings(server), AnnouncementCounts())
        write(databases, (1, 5, ""), (2, 6, ""))
        await announcer.run(asyncio.Event(), until_empty=True)
        assert starts[-1] == 2
        with engine.begin() as connection:
            connection.execute(
                sa.text(
                    "INSERT INTO outbox (id, submission_id, task_id, state) "
                    "OVERRIDING SYSTEM VALUE VALUES (1, 9, :task, 'failed')"
                ),
                {"task": TASK},
            )
        stop = asyncio.Event()
        running = asyncio.create_task(announcer.run(stop))
        await until(lambda: waiting(databases) == 0)
        stop.set()
        await running

    run(server, test)


def test_another_publisher_takes_over_from_one_that_is_stopped_or_unreachable(
    databases: Databases, server: NatsServer, settings: Settings
) -> None:
    """The lock is held by a connection without statements, as of a stopped process."""
    database = settings.database_ingest
    with LinkProxy(database.host, database.port) as proxy:
        proxied = database.model_copy(update={"host": proxy.host, "port": proxy.port})
        other = Databases(settings.model_copy(update={"database_ingest": proxied}))

        async def test(client: Client) -> None:
            write(databases, (1, 5, ""))
            connection = other.engine("ingest").connect()
            try:
                assert try_lock_announcer(connection, 1.0)
                proxy.freeze()
                begun = time.monotonic()
                counts = AnnouncementCounts()
                await Announcer(databases, client, nats_settings(server), counts).run(
                    asyncio.Event(), until_empty=True
                )
                assert 0.5 < time.monotonic() - begun < 5
                assert counts.announced == 1
            finally:
                proxy.restore()
                connection.invalidate()
                connection.close()

        run(server, test)
        other.dispose()
