"""Reads of a MusicBrainz database that fails, over PostgreSQL."""

import threading
import time

import sqlalchemy as sa

from pipeline.catalog.musicbrainz.outages import MIN_PAUSE, read_if_reachable
from pipeline.runtime.databases import Databases


def number(connection: sa.Connection) -> int:
    return int(connection.execute(sa.text("SELECT 1")).scalar_one())


def fail(connection: sa.Connection) -> int:
    return int(connection.execute(sa.text("SELECT 1 FROM nothing")).scalar_one())


def test_after_a_failure_there_is_a_pause_and_then_one_thread_tries(databases: Databases) -> None:
    """The others do not wait for an attempt that may take seconds."""
    assert read_if_reachable(databases, number, 1) == 1
    assert read_if_reachable(databases, fail, 1) is None
    assert read_if_reachable(databases, number, 1) is None
    time.sleep(MIN_PAUSE + 0.1)
    begun, may_end = threading.Event(), threading.Event()

    def slow(connection: sa.Connection) -> int:
        begun.set()
        assert may_end.wait(30)
        return number(connection)

    found: list[int | None] = []
    trying = threading.Thread(target=lambda: found.append(read_if_reachable(databases, slow, 1)))
    trying.start()
    assert begun.wait(30)
    assert read_if_reachable(databases, number, 1) is None
    may_end.set()
    trying.join(30)
    assert found == [1]
    assert read_if_reachable(databases, number, 1) == 1


def test_a_statement_that_takes_too_long_is_a_failure(databases: Databases) -> None:
    def sleep(connection: sa.Connection) -> int:
        connection.execute(sa.text("SELECT pg_sleep(10)"))
        return 1

    assert read_if_reachable(databases, sleep, 0.05) is None
