"""A publisher of announcements is killed while rows wait."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from nats.aio.client import Client

from bench.nats.server import NatsServer
from nats_bridge.announcements.announcer import AnnouncementCounts, Announcer
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.nats_load.announcements import (
    SUBJECT,
    nats_settings,
    published,
    run,
    submissions,
    until,
    waiting,
    write,
)
from tests.support.processes import publishing_process
from tests.support.processes.nats_server import running_nats_server
from tests.support.processes.workers import write_config


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with running_nats_server(tmp_path / "nats") as server:
        yield server


def test_a_killed_publisher_loses_no_row(
    databases: Databases, server: NatsServer, settings: Settings, tmp_path: Path
) -> None:
    environ = {
        **os.environ,
        "ACOUSTID_CONFIG": str(write_config(settings, tmp_path / "acoustid.conf")),
        "ACOUSTID_NATS_SERVERS": server.url,
        "ACOUSTID_NATS_PUBLISH_SUBJECT": SUBJECT,
    }

    async def test(client: Client) -> None:
        write(databases, *((number, number % 40, "") for number in range(3000)))
        process = subprocess.Popen([sys.executable, "-m", publishing_process.__name__], env=environ)
        try:
            await until(lambda: waiting(databases) < 3000, 40)
        finally:
            process.kill()
            process.wait(10)
        assert waiting(databases) > 0
        await Announcer(databases, client, nats_settings(server), AnnouncementCounts()).run(
            asyncio.Event(), until_empty=True
        )
        found = submissions(await published(client.jetstream()))
        assert set(found) == set(range(3000))
        for track in range(40):
            of_track = list(dict.fromkeys(each for each in found if each % 40 == track))
            assert of_track == sorted(of_track)

    run(server, test)
