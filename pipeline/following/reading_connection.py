"""A connection to the changelog for one reading, with a limit that keeps lookups right.

A dead connection must not stop the index for longer than `[cluster] max_lag`: lookups are refused
while it stands still. So a reading has a shorter limit than other work of a worker, and the
connection is returned to its pool while index and store are written.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa

from pipeline.runtime.databases import Databases
from pipeline.runtime.links.deadline import ends_within

READING_LIMIT: Final = 8.0
"""Maximum seconds of one reading: a batch of the changelog."""


@contextmanager
def reading_connection(databases: Databases) -> Iterator[sa.Connection]:
    """Return a connection to the fingerprint database for at most `READING_LIMIT` seconds.

    Raises:
        sqlalchemy.exc.OperationalError: the database does not reply in time.
    """
    with ends_within(READING_LIMIT), databases.engine("fingerprint").connect() as connection:
        yield connection
