"""Reads of the app database that many requests wait for: keys and the maintenance mode."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa

from pipeline.runtime.databases import SHORTEST_LIMIT, Databases, limit_statements
from pipeline.runtime.links.deadline import ends_by

READ_TIME: Final = 3.0
"""Maximum seconds of such a read, which takes a millisecond if the database works."""


@contextmanager
def reading_app(databases: Databases, deadline: float) -> Iterator[sa.Connection]:
    """Open a connection to the app database for a short read.

    Args:
        databases: the app database is read.
        deadline: time at which the read is cancelled, on the monotonic clock. It is cancelled after
            `READ_TIME` at the latest.
    """
    ends = min(deadline, time.monotonic() + READ_TIME)
    with ends_by(ends), databases.engine("app").connect() as connection:
        if deadline < math.inf:  # otherwise the session's limit applies
            limit_statements(connection, max(ends - time.monotonic(), SHORTEST_LIMIT))
        yield connection
