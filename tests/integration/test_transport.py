"""Celery's way to Redis makes a client once, and not for every command."""

from pathlib import Path

from pipeline.runtime.settings import Settings
from tasks.celery import app
from tasks.transport import Channel
from tests.workers import point_celery_at, write_config


def test_a_channel_keeps_its_client(settings: Settings, tmp_path: Path) -> None:
    point_celery_at(write_config(settings, tmp_path / "acoustid.conf"), settings)
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        assert isinstance(channel, Channel)
        with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
            assert first is second
            assert first.ping()
