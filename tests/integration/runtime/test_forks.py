"""Forked processes open their own connections."""

import os
from collections.abc import Callable

import sqlalchemy as sa

from pipeline.runtime.databases import Databases
from pipeline.runtime.processes import PerProcess
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings


def in_child(ask: Callable[[], int]) -> int:
    """Return the result of a function in a forked process."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write_end, str(ask()).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    answer = int(os.read(read_end, 20))
    os.close(read_end)
    os.close(write_end)
    return answer


def test_a_child_process_opens_its_own_database_connections(settings: Settings) -> None:
    own = PerProcess(lambda: Databases(settings, component="tests"))

    def backend() -> int:
        with own.get().engine("app").connect() as connection:
            return int(connection.scalar(sa.text("SELECT pg_backend_pid()")))

    before = backend()
    assert in_child(backend) != before
    assert backend() == before
    own.get().dispose()


def test_a_child_process_opens_its_own_redis_connection(settings: Settings) -> None:
    own = PerProcess(lambda: connect(settings.redis, keeps_connection=True))

    def identity() -> int:
        return int(own.get().client_id())

    before = identity()
    assert in_child(identity) != before
    assert identity() == before


def test_each_process_makes_a_value_once() -> None:
    made: list[int] = []

    def make() -> int:
        made.append(os.getpid())
        return len(made)

    own = PerProcess(make)
    assert own.get() == own.get() == 1
    assert in_child(own.get) == in_child(own.get) == 2
    assert made == [os.getpid()]
