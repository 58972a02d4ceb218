"""A process that publishes announcements until it is killed.

The settings are those of ``ACOUSTID_CONFIG`` and the environment.
"""

import asyncio

import nats

from nats_bridge.announcements.announcer import AnnouncementCounts, Announcer
from pipeline.runtime.databases import Databases
from pipeline.settings.load import load_settings
from pipeline.settings.sections import NatsSettings, Settings


async def publish(settings: Settings, options: NatsSettings) -> None:
    """Publish for ever."""
    client = await nats.connect(options.servers[0])
    announcer = Announcer(Databases(settings), client, options, AnnouncementCounts())
    await announcer.run(asyncio.Event())


if __name__ == "__main__":
    loaded = load_settings()
    asyncio.run(publish(loaded, loaded.nats))
