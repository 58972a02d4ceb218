"""A separate database of the session's Redis, empty at the start of each test."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import redis

from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings

NUMBER: Final = 5


def on_scratch(settings: Settings) -> Settings:
    """Return the settings with the scratch database instead of that of the workers."""
    scratch = settings.redis.model_copy(update={"db": NUMBER})
    return settings.model_copy(update={"redis": scratch})


@contextmanager
def scratch_redis(settings: Settings) -> Iterator[redis.Redis]:
    """Empty the scratch database. Yield a client of it."""
    with connect(settings.redis, db=NUMBER) as client:
        client.flushdb()
        yield client
