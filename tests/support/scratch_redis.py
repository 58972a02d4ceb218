"""A database of the session's Redis for one test alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import redis

from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings

NUMBER: Final = 5


def on_scratch(settings: Settings) -> Settings:
    """Return the settings with Redis's scratch database in place of the workers' own."""
    scratch = settings.redis.model_copy(update={"db": NUMBER})
    return settings.model_copy(update={"redis": scratch})


@contextmanager
def scratch_redis(settings: Settings) -> Iterator[redis.Redis]:
    """Empty the scratch database and give a client to it."""
    with connect(settings.redis, db=NUMBER) as client:
        client.flushdb()
        yield client
