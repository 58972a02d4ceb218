"""The context of a script: what a command reads and connects to."""

from dataclasses import dataclass

import redis

from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings


@dataclass(frozen=True)
class Script:
    """Real servers, empty.

    Attributes:
        settings: where the servers are; the index and the store do not exist yet.
        databases: the four databases.
        redis: a client of the settings' Redis database.
    """

    settings: Settings
    databases: Databases
    redis: redis.Redis
