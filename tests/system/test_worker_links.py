"""Workers and beat whose link to Redis or PostgreSQL is dead, and a stuck worker."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from cli.stack.roles import Layout, roles
from pipeline.fingerprint.codec import compress
from pipeline.messages import Lookup, LookupBatch
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks.celery import app
from tasks.fast_path.lookup_sender import LookupSender
from tasks.fast_path.switches import FastPath
from tasks.queues import BACKGROUND
from tasks.recovery.stuck_process import EXIT_STATUS
from tasks.redis_state import heartbeats, lookup_replies
from tests.support.catalogue.synthetic import fingerprint
from tests.support.links.proxy import LinkProxy
from tests.support.polling import eventually
from tests.support.processes.workers import (
    point_celery_at,
    running_worker,
    worker_roles,
    write_config,
)

RECOVERY = 15.0
"""Seconds after the end of a fault in which everything must work again."""

WORKERS = ("worker-lookup-1", "worker-submission")


@dataclass
class Behind:
    """Workers and beat whose links to the servers are two proxies.

    Attributes:
        beside: a client of Redis that does not use the link.
        settings: the settings of a front end that does not use the links.
    """

    redis_link: LinkProxy
    postgres_link: LinkProxy
    beside: redis.Redis
    settings: Settings

    def is_complete(self) -> bool:
        """Return whether all workers and beat have reported since `forget`, and answer."""
        alive = {node.split("@")[0] for node in heartbeats.alive(self.beside)}
        return (
            {"lookup-1", "submission"} <= alive
            and bool(self.beside.exists("beat:published"))
            and self.answers()
        )

    def answers(self) -> bool:
        """Return whether a worker answers a lookup within 2 s."""
        key = lookup_replies.reply_key()
        asked = Lookup(request=0, duration=200, fingerprint=compress(fingerprint(1)))
        batch = LookupBatch(key, key, time.time() + 10, [""], [asked])
        LookupSender(FastPath.of(self.settings)).send(batch)
        waiting = connect(self.settings.redis, blocking=True, wait=2)
        with closing(waiting):
            reply = lookup_replies.pop(waiting, key, 2)
        return reply is not None and reply.answers == [{"results": []}]

    def forget(self) -> None:
        """Delete what shows that the processes have been alive."""
        self.beside.delete(heartbeats.KEY, "beat:published")

    def recovers(self, seconds: float = RECOVERY) -> bool:
        """Return whether everything works again within some seconds."""
        self.forget()
        return eventually(self.is_complete, seconds)


@pytest.fixture(scope="module")
def behind(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    """A lookup worker (pool solo), a submission worker (prefork) and beat."""
    folder = tmp_path_factory.mktemp("links")
    with ExitStack() as stack:
        to_redis = stack.enter_context(LinkProxy(settings.redis.host, settings.redis.port))
        database = settings.database
        to_postgres = stack.enter_context(LinkProxy(database.host, database.port))
        config = write_config(through(settings, to_redis, to_postgres), folder / "behind.conf")
        for role in worker_roles():
            if role.name in WORKERS:
                log = folder / f"{role.name}.log"
                stack.enter_context(running_worker(role, config, log, settings))
        stack.enter_context(running_beat(config, folder / "beat.log"))
        point_celery_at(write_config(settings, folder / "beside.conf"), settings)
        beside = stack.enter_context(closing(connect(settings.redis)))
        yield Behind(to_redis, to_postgres, beside, settings)
        to_redis.restore()
        to_postgres.restore()


def through(settings: Settings, to_redis: LinkProxy, to_postgres: LinkProxy) -> Settings:
    """Return settings with the links in place of the servers."""
    changed: dict[str, object] = {}
    for name, section in settings:
        if name == "redis":
            update = {"host": to_redis.host, "port": to_redis.port}
        elif name.startswith("database"):
            update = {"host": to_postgres.host, "port": to_postgres.port}
        else:
            continue
        changed[name] = section.model_copy(update=update)
    return settings.model_copy(update=changed)


class running_beat:  # noqa: N801 - a context manager like the functions beside it
    """Run beat during a block, and start it again when it ends, like the supervisor."""

    def __init__(self, config: Path, log: Path) -> None:
        self._config, self._log = config, log

    def __enter__(self) -> None:
        layout = Layout(host="127.0.0.1", port=1, flower_port=None, workers=1)
        [beat] = [role for role in roles(layout) if role.name == "beat"]
        text = 'trap "kill $!; exit" TERM; while true; do "$@" & wait; sleep 1; done'
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", text, "beat", *beat.command],
                env={**os.environ, "ACOUSTID_CONFIG": str(self._config)},
                stdout=output,
                stderr=output,
            )

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)


def test_a_worker_with_a_stuck_task_ends_and_leaves_the_message(
    settings: Settings, tmp_path: Path
) -> None:
    """The pool ``solo`` has no time limit of its own.

    This test is the first one: the workers of the others would take its message.
    """
    config = write_config(settings, tmp_path / "acoustid.conf")
    point_celery_at(config, settings)
    log = tmp_path / "log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "tests.support.processes.stuck_task"),
                *("worker", "-Q", BACKGROUND, "-P", "solo", "--without-gossip", "--without-mingle"),
            ],
            env={**os.environ, "ACOUSTID_CONFIG": str(config)},
            stdout=output,
            stderr=output,
        )
    with closing(connect(settings.redis)) as client:
        client.delete("unacked", "unacked_index")
        task = app.send_task("lookup.background.stuck", queue=BACKGROUND, ignore_result=True)
        try:
            assert process.wait(60) == EXIT_STATUS
            assert client.hlen("unacked") == 1, "the broker delivers the message to another worker"
        finally:
            process.kill()
            process.wait()
            client.delete("unacked", "unacked_index", BACKGROUND)
    text = log.read_text()
    assert f"the task lookup.background.stuck exceeds its time limit (id {task.id})" in text
    assert "wait_for_ever" in text


@pytest.mark.parametrize(("fault", "seconds"), [("freeze", 6.0), ("half_open", 0.5)])
def test_workers_and_beat_use_redis_again_after_a_dead_link(
    behind: Behind, fault: str, seconds: float
) -> None:
    assert behind.recovers(30.0)
    getattr(behind.redis_link, fault)()
    time.sleep(seconds)
    behind.redis_link.restore()
    assert behind.recovers()


def test_a_worker_uses_postgresql_again_after_a_dead_link(behind: Behind) -> None:
    assert behind.recovers(30.0)
    behind.postgres_link.freeze()
    time.sleep(1)
    behind.postgres_link.restore()
    assert behind.recovers()
