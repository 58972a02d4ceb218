"""A stack on Debian's PostgreSQL and Redis instead of the servers of the wheels."""

from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import redis

from cli.stack.data_directory import DataDir
from cli.stack.servers.ports import LOOPBACK
from cli.stack.servers.postgres import USER
from cli.stack.stack_record import DATABASES
from tests.support.processes.servers import (
    PASSWORD,
    make_postgres,
    make_valkey,
    running,
    temporary_folder,
)
from tests.support.processes.whole_stack import WholeStack, running_stack
from tests.system.packages import POSTGRES, REDIS, needs
from tests.system.round_trip import check_submission_and_lookup


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that PostgreSQL's user can enter."""
    with temporary_folder() as made:
        yield made


def processes(stack: WholeStack) -> set[str]:
    return {each["role"] for each in stack.status()["processes"]}


@needs(POSTGRES)
def test_a_submission_and_a_lookup_on_debians_postgresql(folder: Path) -> None:
    server = make_postgres(folder, programs=POSTGRES.folder())
    options = {"HOST": LOOPBACK, "USER": USER, "PASSWORD": PASSWORD}
    with running(server):
        environ = {
            f"ACOUSTID_{section.upper()}_{option}": value
            for section in DATABASES
            for option, value in (*options.items(), ("PORT", str(server.port)))
        }
        with running_stack(DataDir.at(folder / "data"), WholeStack, **environ) as stack:
            check_submission_and_lookup(stack)
            assert "postgres" not in processes(stack)
            with (
                psycopg2.connect(
                    dbname="acoustid_fingerprint",
                    host=LOOPBACK,
                    port=server.port,
                    user=USER,
                    password=PASSWORD,
                ) as connection,
                connection.cursor() as cursor,
            ):
                cursor.execute("SELECT count(*) FROM fingerprint")
                assert cursor.fetchone() == (1,)


@needs(REDIS)
def test_a_submission_and_a_lookup_on_debians_redis(folder: Path) -> None:
    server = make_valkey(folder, programs=REDIS.folder())
    with running(server):
        environ = {
            "ACOUSTID_REDIS_HOST": LOOPBACK,
            "ACOUSTID_REDIS_PORT": str(server.port),
            "ACOUSTID_REDIS_PASSWORD": PASSWORD,
        }
        with running_stack(DataDir.at(folder / "data"), WholeStack, **environ) as stack:
            check_submission_and_lookup(stack)
            assert "valkey" not in processes(stack)
            with redis.Redis(LOOPBACK, server.port, password=PASSWORD) as client:
                assert client.info("commandstats")["cmdstat_lpush"]["calls"] > 0
