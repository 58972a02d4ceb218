"""For how long a stream of dead letters ignores a second one of the same message."""

import asyncio
from pathlib import Path

import pytest

from nats_bridge.link.connection import connect_once
from nats_bridge.streams.preparation import DEAD_LETTER_WINDOW, prepare
from pipeline.settings.sections import NatsSettings
from tests.support.processes.nats_server import running_nats_server


@pytest.mark.parametrize(
    ("limits", "window"), [("", DEAD_LETTER_WINDOW), ("duplicate_window: 60s", 60.0)]
)
def test_it_is_a_day_if_the_server_permits_it(limits: str, window: float, tmp_path: Path) -> None:
    config = tmp_path / "nats.conf"
    config.write_text(f"jetstream {{ limits {{ {limits} }} }}")
    with running_nats_server(tmp_path / "nats", "-c", str(config)) as server:
        settings = NatsSettings.model_validate({"servers": server.url})

        async def made_window() -> float:
            client = await connect_once(settings, name="a test")
            try:
                jetstream = client.jetstream(timeout=5)
                streams = await prepare(jetstream, settings)
                info = await jetstream.stream_info(streams.dead_letter_stream)
                return info.config.duplicate_window
            finally:
                await client.close()

        assert asyncio.run(made_window()) == window
