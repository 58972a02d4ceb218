"""Hosts whose clocks differ: lookups and submissions succeed, and the difference is reported."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import redis
import requests
import sqlalchemy as sa

from cli.stack.servers.ports import LOOPBACK, free_port
from pipeline.catalog.app import tables as app_tables
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks import queues
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.recordings import Recording, recordings
from tests.support.polling import eventually
from tests.support.processes.workers import (
    point_celery_at,
    running_program,
    running_worker,
    worker_roles,
    write_config,
)
from tests.system.packages import FAKETIME, needs
from tests.system.wrong_clock import WrongClock, fixed

pytestmark = needs(FAKETIME)

PATIENT = {"ACOUSTID_API_LOOKUP_TIMEOUT": "25"}  # libfaketime slows the worker
LONGEST = 15.0  # seconds, for the start of beat and its first messages
CELERY = (sys.executable, "-m", "celery", "-A", "tasks.application")


@dataclass
class Hosts:
    """A worker of all queues and a front end, each with a clock of its own."""

    worker: WrongClock
    front_end: WrongClock
    config: Path
    redis: redis.Redis
    url: str
    keys: dict[str, str]

    def set(self, *, worker: float = 0, front_end: float = 0) -> None:
        self.worker.set(worker)
        self.front_end.set(front_end)
        time.sleep(1.1)  # each process reads its clock's file once a second

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        reply = requests.post(f"{self.url}{path}", {**self.keys, **parameters}, timeout=30)
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    def imports(self, recording: Recording) -> None:
        """Submit a recording and wait until a lookup finds it."""
        audio = recording.original
        asked = {"fingerprint": audio.fingerprint, "duration": int(audio.duration)}
        self.get("/v2/submit", mbid=recording.mbid, **asked)

        def found() -> list[Any]:
            results: list[Any] = self.get("/v2/lookup", meta="recordingids", **asked)["results"]
            return results

        [result] = eventually(found, 30)
        assert result["recordings"] == [{"id": recording.mbid}]

    def faults(self) -> list[str]:
        found: list[str] = requests.get(f"{self.url}/_health", timeout=30).json()["faults"]
        return found


@pytest.fixture(scope="module")
def hosts(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    folder = tmp_path_factory.mktemp("clocks")
    config = write_config(settings, folder / "acoustid.conf")
    point_celery_at(config, settings)
    databases = Databases(settings, component="tests")
    clocks = [WrongClock(folder, name) for name in ("worker", "front_end")]
    port = free_port()
    serve = (sys.executable, "-m", "cli.main", "serve", "--host", LOOPBACK, "--port", str(port))
    [role] = [role for role in worker_roles() if role.node == "lookup-1"]
    command = list(role.command)
    command[command.index("-Q") + 1] = ",".join(queues.names_of(settings.celery))
    with ExitStack() as stack:
        stack.callback(databases.dispose)
        client = stack.enter_context(connect(settings.redis))
        stack.enter_context(
            running_program(serve, config, folder / "api.log", {**clocks[1].environ, **PATIENT})
        )
        stack.enter_context(
            running_worker(
                replace(role, command=tuple(command)),
                config,
                folder / "worker.log",
                settings,
                clocks[0].environ,
            )
        )
        made = Hosts(*clocks, config, client, f"http://{LOOPBACK}:{port}", keys(databases))
        eventually(lambda: serves(made))
        yield made


def keys(databases: Databases) -> dict[str, str]:
    """Return the keys of a new application and a new account."""
    importer = Importer(databases, Path())
    with databases.engine("app").connect() as connection:
        found = {
            name: connection.scalar(sa.select(table.c.apikey).where(table.c.id == row))
            for name, table, row in (
                ("client", app_tables.application, importer.application_id),
                ("user", app_tables.account, importer.account_id),
            )
        }
    return {name: str(key) for name, key in found.items()}


def serves(hosts: Hosts) -> bool:
    try:
        return requests.get(f"{hosts.url}/_health", timeout=30).status_code == 200
    except requests.ConnectionError:
        return False


@pytest.mark.parametrize(("number", "worker", "front_end"), [(0, 15, -15), (1, -15, 15)])
def test_lookups_and_imports_succeed_and_health_tells_the_difference(
    hosts: Hosts, number: int, worker: float, front_end: float
) -> None:
    hosts.set(worker=worker, front_end=front_end)
    hosts.imports(recordings()[number])

    def line() -> str:
        found = [each for each in hosts.faults() if each.startswith("clocks differ")]
        text = found[0] if found else ""
        # The two are measured at different times.
        return text if "a worker" in text and "this front end" in text else ""

    assert f"this front end {front_end:+.1f} s" in eventually(line)
    hosts.set()
    eventually(lambda: not any(each.startswith("clocks") for each in hosts.faults()))


@contextmanager
def beat(hosts: Hosts, ahead: float) -> Iterator[None]:
    """Run beat during a block, with a clock that is ahead. The block begins when it has sent."""
    hosts.redis.delete("beat:published", "postgres:clocks")
    log = hosts.config.with_name("beat.log")
    command = (*CELERY, "beat")
    with running_program(command, hosts.config, log, fixed(ahead)):
        eventually(lambda: hosts.redis.exists("beat:published"), LONGEST)
        yield


def test_beat_sends_at_once_after_its_clock_was_an_hour_ahead(hosts: Hosts) -> None:
    """A worker that is 15 s ahead runs its messages, which expire after 10 s."""
    hosts.set(worker=15)
    with beat(hosts, ahead=3600):
        eventually(lambda: any("beat +3600" in each for each in hosts.faults()), LONGEST)
    with beat(hosts, ahead=0):
        eventually(lambda: hosts.redis.exists("postgres:clocks"), LONGEST)
    hosts.set()
