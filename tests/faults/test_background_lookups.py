"""A background lookup is answered although its front end or its worker is killed."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import redis
import sqlalchemy as sa

from cli.stack.roles import Layout, Role, roles
from cli.stack.servers.ports import LOOPBACK, free_port
from pipeline.catalog.app import accounts
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks import queues
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint
from tests.support.polling import eventually
from tests.support.processes.servers import Servers
from tests.support.processes.workers import running_worker, write_config

LAYOUT = Layout(host=LOOPBACK, port=free_port(), flower_port=None, workers=1)


def role(name: str, module: str = "tasks") -> Role:
    """Return a role of a stack, optionally with another Celery application."""
    [found] = [each for each in roles(LAYOUT) if each.name == name]
    return replace(found, command=tuple(module if p == "tasks" else p for p in found.command))


@dataclass
class Stack:
    """Servers with one imported recording, and the configuration for processes on them."""

    settings: Settings
    config: Path
    folder: Path
    redis: redis.Redis
    track: str
    key: str
    application_id: int

    @contextmanager
    def front_end(self) -> Iterator["FrontEnd"]:
        """Run the front end with the command of `acoustid up`, in a process group of its own."""
        with (self.folder / "api.log").open("ab") as log:
            process = subprocess.Popen(
                role("api").command,
                env={**os.environ, "ACOUSTID_CONFIG": str(self.config)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        front_end = FrontEnd(process, self)
        try:
            eventually(lambda: front_end.get("/_health_docker"))
            yield front_end
        finally:
            front_end.kill()

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run a lookup worker that soon receives the messages of a killed worker."""
        chosen = role("worker-lookup-1", "tests.support.processes.short_visibility")
        with running_worker(chosen, self.config, self.folder / "log", self.settings) as process:
            yield process

    def hits(self) -> int:
        """Return the number of counted hits of the application."""
        fields = self.redis.hgetall("lookups").items()
        return sum(int(v) for k, v in fields if k.endswith(b":%d:hit" % self.application_id))


class FrontEnd:
    """A running front end."""

    def __init__(self, process: subprocess.Popen[bytes], stack: Stack) -> None:
        self._process = process
        self._stack = stack

    def get(self, path: str, **parameters: Any) -> dict[str, Any] | None:
        """Return the JSON of a reply; None while the front end does not listen yet."""
        url = f"http://{LOOPBACK}:{LAYOUT.port}{path}?{urlencode(parameters)}"
        try:
            with urlopen(url, timeout=30) as reply:
                body: dict[str, Any] = json.load(reply)
                return body
        except HTTPError:
            raise
        except OSError:
            assert self._process.poll() is None
            return None

    def start_lookup(self) -> str:
        """Start a background lookup of the recording; return its task id."""
        form = {"client": self._stack.key, "trackid": self._stack.track, "async": 1}
        reply = self.get("/v2/lookup", **form)
        assert reply is not None
        task_id: str = reply["task"]["id"]
        return task_id

    def task(self, task_id: str) -> dict[str, Any]:
        reply = self.get(f"/v2/task/{task_id}")
        assert reply is not None
        task: dict[str, Any] = reply["task"]
        return task

    def kill(self) -> None:
        """Kill the server and its worker process at once."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@pytest.fixture
def stack(
    servers: Servers, settings: Settings, databases: Databases, tmp_path: Path
) -> Iterator[Stack]:
    importer = Importer(databases, settings.fingerprint_index.path)
    [status] = importer.run(importer.receipt(fingerprint(1)))
    with databases.engine("app").begin() as connection:
        made = accounts.create_application(connection, "tests")
    no_limits = {"global_limit": 0, "app_limit": 0, "ip_limit": 0}
    sections = {"features": {"async_api": True}, "cluster": {"rate_limiter": no_limits}}
    config = write_config(servers.settings(**sections), tmp_path / "acoustid.conf")
    client = connect(settings.redis)
    client.delete("lookups", queues.BACKGROUND)
    yield Stack(settings, config, tmp_path, client, str(status.track_gid), made.key, made.id)
    client.delete("lookups")


def finished(front_end: FrontEnd, task_id: str) -> Callable[[], dict[str, Any] | None]:
    def ask() -> dict[str, Any] | None:
        task = front_end.task(task_id)
        assert task["state"] != "failed"
        return task if task["state"] == "finished" else None

    return ask


def test_a_killed_front_end_loses_no_accepted_lookup(stack: Stack) -> None:
    with stack.front_end() as front_end:
        task_id = front_end.start_lookup()
        front_end.kill()
    with stack.front_end() as front_end:
        assert front_end.task(task_id)["state"] == "pending"
        with stack.worker():
            task = eventually(finished(front_end, task_id))
    assert task is not None
    assert task["result"] == {"results": [{"id": stack.track, "score": 1.0}]}
    assert stack.hits() == 1


def test_a_killed_worker_loses_no_lookup(stack: Stack, databases: Databases) -> None:
    with stack.front_end() as front_end:
        with stack.worker() as process, databases.engine("fingerprint").begin() as connection:
            connection.execute(sa.text("LOCK TABLE track IN ACCESS EXCLUSIVE MODE"))
            task_id = front_end.start_lookup()
            eventually(lambda: front_end.task(task_id)["state"] == "running")
            process.kill()
            process.wait()
        assert front_end.task(task_id)["state"] == "running"
        with stack.worker():
            task = eventually(finished(front_end, task_id))
    assert task is not None
    assert task["result"] == {"results": [{"id": stack.track, "score": 1.0}]}
    assert stack.hits() == 1
    assert stack.redis.llen(queues.BACKGROUND) == 0
