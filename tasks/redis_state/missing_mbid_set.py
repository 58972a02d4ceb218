"""The set of MBIDs that lookups did not find in MusicBrainz, for `maintenance.merge_missing_mbids`.

A Redis set. Lookups add to it, the task takes from it.
"""

from collections.abc import Collection
from itertools import islice
from typing import Final, cast
from uuid import UUID

import redis
from redis.exceptions import RedisError

KEY: Final = "missing_mbids"

LIMIT: Final = 10_000
"""Maximum size of the set. If it is full, no MBIDs are added; later lookups add them."""


def add_missing_mbids(connection: redis.Redis, mbids: Collection[str]) -> None:
    """Add MBIDs to the set. Errors of Redis are ignored: a later lookup adds them."""
    if not mbids:
        return
    try:
        if connection.scard(KEY) < LIMIT:
            connection.sadd(KEY, *islice(mbids, LIMIT))
    except RedisError:
        return


def take_missing_mbids(connection: redis.Redis, count: int) -> set[UUID]:
    """Remove up to `count` MBIDs from the set and return them.

    Raises:
        redis.exceptions.RedisError: Redis is unreachable.
    """
    taken = cast("list[bytes]", connection.spop(KEY, count))
    return {UUID(mbid.decode()) for mbid in taken}
