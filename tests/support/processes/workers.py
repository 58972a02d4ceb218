"""Celery workers for tests: the roles of `acoustid up`, on the servers of the test session."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from cli.stack.roles import Layout, Role, roles
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks.celery import app
from tasks.redis_state import heartbeats
from tests.support.polling import eventually
from tests.support.processes.heartbeats import forget

START_DEADLINE = 180.0
"""Seconds. A start takes a minute on two cores with 15 busy processes.

A worker that ends is noticed at once.
"""


def write_config(settings: Settings, path: Path) -> Path:
    """Write settings, with their secrets, as a configuration file; return its path."""
    tree = settings.model_dump()
    lines: list[str] = []
    for section in ("database", "database_fingerprint", "database_ingest", "database_musicbrainz"):
        lines += _section(section, tree[section])
    for section in (
        "redis",
        "fingerprint_index",
        "fingerprint_store",
        "features",
        "celery",
        "musicbrainz",
        "retention",
    ):
        lines += _section(section, tree[section])
    lines += _section("cluster.rate_limiter", tree["cluster"]["rate_limiter"])
    path.write_text("\n".join(lines))
    path.chmod(0o600)
    return path


def _section(name: str, options: Mapping[str, object]) -> list[str]:
    values = {
        key: value.get_secret_value() if hasattr(value, "get_secret_value") else value
        for key, value in options.items()
    }
    return [f"[{name}]", *(f"{k} = {v}" for k, v in values.items() if v is not None and v != ())]


def point_celery_at(config: Path, settings: Settings) -> None:
    """Configure Celery in this process for the Redis of the settings."""
    os.environ["ACOUSTID_CONFIG"] = str(config)
    url, tls = settings.redis.url(), settings.redis.tls()
    app.conf.update(
        broker_url=url,
        broker_use_ssl=tls or False,
        result_backend=url,
        redis_backend_use_ssl=tls,
    )


def worker_roles(lookup_workers: int = 1) -> list[Role]:
    """Return the worker roles of a stack."""
    layout = Layout(host="127.0.0.1", port=1, flower_port=None, workers=lookup_workers)
    return [role for role in roles(layout) if role.node]


@contextmanager
def running_program(
    command: Sequence[str], config: Path, log: Path, environ: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program of the service during a block; then end it, if necessary with SIGKILL."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, "ACOUSTID_CONFIG": str(config), **environ},
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def running_worker(
    role: Role,
    config: Path,
    log: Path,
    settings: Settings,
    environ: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run one worker during a block. The block begins after the first heartbeat."""
    with running_program(role.command, config, log, environ or {}) as process:
        _wait_for_heartbeat(role, process, settings, log)
        yield process


@contextmanager
def running_workers(
    config: Path, folder: Path, settings: Settings, environ: Mapping[str, str] | None = None
) -> Iterator[dict[str, Path]]:
    """Run all workers of a stack during a block; yield their logs by role."""
    with ExitStack() as stack:
        logs = {}
        for role in worker_roles():
            logs[role.name] = folder / f"{role.name}.log"
            stack.enter_context(running_worker(role, config, logs[role.name], settings, environ))
        yield logs


def task_counts(workers: int) -> list[dict[str, int]]:
    """Return the number of tasks by name that each worker has run.

    The request is repeated until all workers reply, since a starting worker does not receive it.

    Args:
        workers: the number of workers.
    """

    def ask() -> dict[str, Any]:
        try:
            found = app.control.inspect(timeout=1, limit=workers).stats() or {}
        except (RedisError, OperationalError):  # another test has closed the connection
            return {}
        return found if len(found) == workers else {}

    return [each["total"] for each in eventually(ask).values()]


def _wait_for_heartbeat(
    role: Role, process: subprocess.Popen[bytes], settings: Settings, log: Path
) -> None:
    redis = connect(settings.redis)
    for node in heartbeats.alive(redis):
        if node.startswith(f"{role.node}@"):
            forget(redis, node)

    def alive() -> bool:
        if process.poll() is not None:
            raise AssertionError(f"{role.name} ended: {log.read_text()[-2000:]}")
        return any(node.startswith(f"{role.node}@") for node in heartbeats.alive(redis))

    eventually(alive, START_DEADLINE)
