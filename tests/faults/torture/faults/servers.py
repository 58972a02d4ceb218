"""Faults of PostgreSQL and Valkey: restarts, kills, stops, FLUSHALL, a blocked advisory lock."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from random import Random
from typing import Final

import psutil

from tests.faults.torture.faults.kind import FaultKind
from tests.faults.torture.stack.torture_stack import SERVERS, TortureStack

CATALOGUE_LOCK: Final = 7723016524936704001
"""The key of the advisory lock of imports, see `pipeline.catalog.advisory_locks`."""


@contextmanager
def _killed(role: str, stack: TortureStack, _random: Random) -> Iterator[str]:
    with stack.held(role):
        os.kill(stack.server_pid(role), signal.SIGKILL)
        yield f"SIGKILL of {role}"


@contextmanager
def _restarted(role: str, stack: TortureStack, _random: Random) -> Iterator[str]:
    with stack.held(role):
        stack.end(role)
        yield f"restart of {role}"


@contextmanager
def _stopped(role: str, stack: TortureStack, _random: Random) -> Iterator[str]:
    server = psutil.Process(stack.server_pid(role))
    family = [server, *server.children(recursive=True)]
    for each in family:
        with suppress(psutil.NoSuchProcess):
            each.suspend()
    try:
        yield f"SIGSTOP of {role}"
    finally:
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.resume()


@contextmanager
def _backend_killed(stack: TortureStack, random: Random) -> Iterator[str]:
    """Kill one process of PostgreSQL: it then restarts all of them."""
    children = psutil.Process(stack.server_pid("postgres")).children()
    with suppress(psutil.NoSuchProcess):
        random.choice(children).kill()
    yield "SIGKILL of a process of PostgreSQL"


@contextmanager
def _flushed(stack: TortureStack, _random: Random) -> Iterator[str]:
    with stack.valkey() as client:
        client.flushall()
    yield "FLUSHALL"


@contextmanager
def _terminated_connections(stack: TortureStack, _random: Random) -> Iterator[str]:
    with closing(stack.postgres("acoustid_app")) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        row = cursor.fetchone()
    yield f"end of {row[0] if row else 0} connections of PostgreSQL"


@contextmanager
def _locked(stack: TortureStack, _random: Random) -> Iterator[str]:
    """Hold the lock of the catalogue, like a long merge of tracks."""
    with (
        closing(stack.postgres("acoustid_fingerprint")) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (CATALOGUE_LOCK,))
        yield "the lock of the catalogue is held"


def _kinds() -> Iterator[FaultKind]:
    for role in SERVERS:
        yield FaultKind(f"kill {role}", "servers", partial(_killed, role), seconds=(0.0, 5.0))
        yield FaultKind(f"restart {role}", "servers", partial(_restarted, role))
        yield FaultKind(f"stop {role}", "servers", partial(_stopped, role), seconds=(3.0, 20.0))
    yield FaultKind("kill a process of postgres", "servers", _backend_killed)
    yield FaultKind("end connections of postgres", "servers", _terminated_connections)
    yield FaultKind("FLUSHALL", "servers", _flushed)
    yield FaultKind("lock of the catalogue", "servers", _locked, seconds=(5.0, 45.0))


KINDS: Final = tuple(_kinds())
