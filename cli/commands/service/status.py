"""``acoustid status``: processes, queue lengths, positions and counts of a stack."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click
import sqlalchemy as sa
from redis import RedisError

from cli.stack import data_directory
from cli.stack.data_directory import DataDir
from cli.stack.demo_keys import Prepared
from cli.stack.effective_settings import CONFIG_VARIABLE, DATABASES, read_settings
from cli.stack.front_end_health import health_lines, read_health
from cli.stack.run_state import RunState
from pipeline.catalog.fingerprint import changelog
from pipeline.catalog.fingerprint.tables import fingerprint, track
from pipeline.catalog.ingest.submissions import count_by_state
from pipeline.fingerprint_store import FingerprintStoreError, StoreCorrupt, open_store
from pipeline.following.open_index import open_index
from pipeline.following.update_store import OtherDatabaseError, check_same_database
from pipeline.index import FingerprintIndexError, IndexCorrupt
from pipeline.lookups.condition import Condition
from pipeline.lookups.trusted_index import TrustedIndex
from pipeline.runtime.databases import DATABASE_UNUSABLE, Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import DatabaseSettings, RedisSettings, Settings
from tasks import queues
from tasks.flower.password_file import USER as FLOWER_USER
from tasks.flower.password_file import password_of
from tasks.redis_state import heartbeats, queue_lengths

Value = TypeVar("Value")

NOT_RUNNING = 3
"""Exit status if no stack runs. The LSB defines it for service scripts."""

UNREACHABLE = (
    RedisError,
    sa.exc.SQLAlchemyError,
    FingerprintIndexError,
    FingerprintStoreError,
    OSError,
)


@click.command()
@data_directory.option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, which includes passwords.")
@click.pass_context
def status(context: click.Context, data_dir: Path, *, as_json: bool) -> None:
    """Show the processes, queues, positions and counts of a stack."""
    data = DataDir.at(data_dir)
    found = collect(data)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif found["processes"]:
        click.echo(describe(found))
    else:
        click.echo(f"No stack runs on {data.root}.")
    if not found["processes"]:
        context.exit(NOT_RUNNING)


def collect(data: DataDir, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the state of a stack for JSON. Values of unreachable servers are None."""
    state = RunState.load(data) if data.is_locked() else None
    demo = Prepared.load(data.prepared).demo
    found: dict[str, Any] = {
        "data_dir": str(data.root),
        "ready": state is not None and state.ready,
        "processes": _processes(state),
        "health": read_health(state),
        "queues": None,
        "index": None,
        "store": None,
        "worker_faults": None,
        "counts": None,
        "demo": {"client": demo.client, "user": demo.user} if demo else None,
        "databases": None,
        "flower": None,
    }
    if state and data.config.exists():
        settings = read_settings(data.config, {**environ, CONFIG_VARIABLE: str(data.config)})
        if state.find("flower"):
            found["flower"] = {"user": FLOWER_USER, "password": password_of(settings.flower)}
        found["queues"] = _or_none(lambda: waiting_messages(settings.redis))
        found["worker_faults"] = _or_none(lambda: worker_faults(settings.redis))
        found["databases"] = embedded_urls(settings, state)
        databases = Databases(settings, component="status")
        found["index"] = _or_none(lambda: index_positions(settings, databases))
        if settings.fingerprint_store.enabled:
            found["store"] = _or_none(lambda: store_size(settings, databases))
        found["counts"] = _or_none(lambda: counts(databases))
        databases.dispose()
    return found


def waiting_messages(settings: RedisSettings) -> dict[str, int]:
    """Return the number of waiting messages of each queue."""
    with connect(settings) as client:
        return {queue: queue_lengths.waiting(client, queue) for queue in queues.NAMES}


def worker_faults(settings: RedisSettings) -> list[str]:
    """Return a line for each fault of the index or the store that a worker reports."""
    with connect(settings) as client:
        reports = heartbeats.reports(client)
    copies = [
        (each.node, name, condition)
        for each in sorted(reports, key=lambda report: report.node)
        for name, condition in (("index", each.index), ("store", each.store))
    ]
    return [
        f"{node}: {name} {condition.value}"
        for node, name, condition in copies
        if condition not in {None, Condition.OK}
    ]


def index_positions(settings: Settings, databases: Databases) -> dict[str, int | str]:
    """Return the condition of the index, its position and that of the changelog.

    A damaged index has no position.
    """
    with databases.engine("fingerprint").connect() as connection:
        newest = changelog.position(connection)
    try:
        with open_index(settings.fingerprint_index) as index:
            trusted = TrustedIndex(lambda: index, databases, logs_changes=False)
            found = {"position": index.position(), "condition": trusted.condition().value}
    except IndexCorrupt:
        found = {"condition": Condition.DAMAGED.value}
    return {**found, "database_position": newest}


def store_size(settings: Settings, databases: Databases) -> dict[str, int | str]:
    """Return the condition, the size and the position of the fingerprint store.

    A damaged store has no size. The condition is missing while the database is unreachable.
    """
    store = open_store(settings.fingerprint_store.path)
    try:
        found = asdict(store.stats())
        with databases.engine("fingerprint").connect() as connection:
            check_same_database(store, connection)
    except StoreCorrupt:
        return {"condition": Condition.DAMAGED.value}
    except OtherDatabaseError:
        return {**found, "condition": Condition.FOREIGN.value}
    except DATABASE_UNUSABLE:
        return found
    return {**found, "condition": Condition.OK.value}


def counts(databases: Databases) -> dict[str, Any]:
    """Return the number of tracks, of fingerprints, and of submissions by state."""
    with databases.engine("fingerprint", read_only=True).connect() as connection:
        tracks = connection.scalar(
            sa.select(sa.func.count()).select_from(track).where(track.c.new_id.is_(None))
        )
        fingerprints = connection.scalar(sa.select(sa.func.count()).select_from(fingerprint))
    with databases.engine("ingest", read_only=True).connect() as connection:
        submissions = count_by_state(connection)
    return {"tracks": tracks, "fingerprints": fingerprints, "submissions": submissions}


def embedded_urls(settings: Settings, state: RunState) -> dict[str, str] | None:
    """Return the URLs, with passwords, of the databases on the stack's own PostgreSQL."""
    server = state.find("postgres")
    if server is None:
        return None
    found = {}
    for section in DATABASES:
        database: DatabaseSettings = getattr(settings, section)
        if (database.host, database.port) == (server.host, server.port):
            url = database.url().set(drivername="postgresql")
            name = section.removeprefix("database_") if "_" in section else "app"
            found[name] = url.render_as_string(hide_password=False)
    return found


def describe(found: Mapping[str, Any]) -> str:
    """Return the state of a stack as lines of text, without secrets."""
    lines = [f"{'ready' if found['ready'] else 'starting'}; data in {found['data_dir']}", ""]
    for each in found["processes"]:
        port = f"port {each['port']}" if each["port"] else ""
        lines.append(f"  {each['role']:<20} pid {each['pid']:<8} {port}".rstrip())
    lines += ["", f"queues    {_figures(found['queues'])}", f"index     {_figures(found['index'])}"]
    if found["store"]:
        lines.append(f"store     {_figures(found['store'])}")
    totals = dict(found["counts"] or {})
    submissions = totals.pop("submissions", None)
    lines.append(f"catalogue {_figures(totals or None)}")
    lines.append(f"submitted {_figures(submissions)}")
    if found["health"]:
        lines += health_lines(found["health"])
    lines += [f"  {fault}" for fault in found.get("worker_faults") or ()]
    if found["demo"]:
        lines.append(f"demo keys client={found['demo']['client']} user={found['demo']['user']}")
    return "\n".join(lines)


def _processes(state: RunState | None) -> list[dict[str, Any]]:
    if state is None:
        return []
    living = [each for each in state.processes if each.identity.find()]
    found = [{"role": each.role, "pid": each.identity.pid, "port": each.port} for each in living]
    return [{"role": "supervisor", "pid": state.supervisor.pid, "port": None}, *found]


def _or_none(read: Callable[[], Value]) -> Value | None:
    try:
        return read()
    except UNREACHABLE:
        return None


def _figures(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "unreachable"
    return (
        ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in found.items()) or "none"
    )
