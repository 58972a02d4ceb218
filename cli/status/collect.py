"""Collects the state of a stack."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Final

from cli.stack.demo_keys import Prepared
from cli.stack.front_end_health import read_health
from cli.stack.logs.recent_errors import recent_errors
from cli.stack.run_state import RunState
from cli.stack.selection import ChosenStack
from cli.stack.stack_record import DATABASES
from cli.status import servers
from cli.status.musicbrainz import musicbrainz_state
from cli.status.nats import nats_state
from cli.status.parallel import Read, in_parallel
from cli.status.process_usage import ProcessStatus, process_statuses
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import DatabaseSettings, Settings
from tasks.flower.password_file import USER as FLOWER_USER
from tasks.flower.password_file import password_of
from tasks.queues import names_of

VERSION: Final = 1
"""The version of the JSON document. It changes if a field is removed or gets another meaning."""

LONGEST: Final = 4.5
"""Maximum time in seconds for all values of servers; a value that is later is None."""

HEALTH_TIMEOUT: Final = 3.0
"""Seconds to wait for the reply to the health check, which takes up to 2 s."""

Status = dict[str, Any]


class State(StrEnum):
    """The state of a stack."""

    READY = "ready"
    """It serves all requests."""

    DEGRADED = "degraded"
    """It serves requests, and a check of its health fails."""

    FAILING = "failing"
    """It does not serve requests."""

    STARTING = "starting"
    """`acoustid up` has not finished."""

    STOPPED = "stopped"
    """It does not run."""

    UNKNOWN = "unknown"
    """`acoustid up` did not start it, so its processes are not known."""


SERVING: Final = frozenset({State.READY, State.DEGRADED, State.UNKNOWN})


def collect(stack: ChosenStack) -> Status:
    """Return the state of a stack for JSON; `docs/commands.md` describes it.

    Values of unreachable servers are None.

    Raises:
        StackError: its settings are invalid.
    """
    data = stack.data
    run = RunState.load_running(data) if data else None
    found = _empty(stack)
    if data is not None:
        demo = Prepared.load(data.prepared).demo
        found["demo"] = {"client": demo.client, "user": demo.user} if demo else None
        found["errors"] = [
            {**asdict(each), "time": each.time.isoformat()} for each in recent_errors(data)
        ]
    has_settings = data.config.exists() if data and run else data is None
    settings = stack.settings() if has_settings else None
    values = _read_values(settings, run)
    if settings is not None:
        _add_servers(found, settings, run, values)
    if run is not None:
        _add_processes(found, values["processes"] or ())
        found["health"] = values["health"]
        found["runs_installed_code"] = values["code"]
        found["state"] = _state(run, found)
    found["ready"] = found["state"] in {State.READY, State.DEGRADED}
    return found


def _state_without_processes(stack: ChosenStack) -> State:
    """Return the state of a stack whose processes are not known, or not known yet."""
    if stack.data is None:
        return State.UNKNOWN
    return State.STARTING if stack.data.is_locked() else State.STOPPED


def _empty(stack: ChosenStack) -> Status:
    return {
        "version": VERSION,
        "data_dir": str(stack.data.root) if stack.data else None,
        "state": _state_without_processes(stack),
        "ready": False,
        "uptime_seconds": None,
        "memory_bytes": None,
        "runs_installed_code": None,
        "processes": [],
        "health": None,
        "queues": None,
        "submissions": None,
        "index": None,
        "store": None,
        "sketch": None,
        "worker_faults": None,
        "redis": None,
        "disk": None,
        "transient_failures": None,
        "clocks": None,
        "catalogue": None,
        "musicbrainz": None,
        "nats": None,
        "errors": [],
        "demo": None,
        "databases": None,
        "flower": None,
    }


def _state(run: RunState, found: Mapping[str, Any]) -> State:
    if not run.ready:
        return State.STARTING
    grade = (found["health"] or {}).get("status")
    running = {each["role"] for each in found["processes"]}
    is_complete = all(each.role in running for each in run.processes)
    if grade == "ok":
        return State.READY if is_complete else State.DEGRADED
    return State.DEGRADED if grade == "degraded" else State.FAILING


def _add_processes(found: Status, processes: Sequence[ProcessStatus]) -> None:
    """Add the running processes. The first one is the supervisor."""
    found["processes"] = [asdict(each) for each in processes]
    found["memory_bytes"] = sum(each.memory_bytes or 0 for each in processes) or None
    found["uptime_seconds"] = processes[0].uptime_seconds if processes else None


def _read_values(settings: Settings | None, run: RunState | None) -> dict[str, Any]:
    """Return what the servers and the processes of a stack say; None for each late value."""
    reads: dict[str, Read] = {}
    if run is not None:
        reads["processes"] = partial(process_statuses, run)
        reads["code"] = run.runs_installed_code
        reads["health"] = partial(read_health, run, timeout=HEALTH_TIMEOUT)
    if settings is None:
        return in_parallel(reads, LONGEST)
    databases = Databases(settings, component="status")
    reads["submissions"] = partial(servers.submissions, databases)
    reads["catalogue"] = partial(servers.catalogue, databases)
    reads["newest"] = partial(servers.newest_change, databases)
    reads["transient_failures"] = partial(servers.transient_failures, settings.redis)
    reads["musicbrainz"] = partial(musicbrainz_state, databases, settings)
    reads["nats"] = partial(nats_state, settings)
    reads["redis"] = partial(servers.queues_and_workers, settings.redis, names_of(settings.celery))
    reads["redis state"] = partial(servers.redis_state, settings.redis)
    try:
        return in_parallel(reads, LONGEST)
    finally:
        databases.dispose()


def _add_servers(
    found: Status, settings: Settings, run: RunState | None, values: Mapping[str, Any]
) -> None:
    """Add what PostgreSQL and Redis say."""
    if run is not None:
        if run.find("flower"):
            found["flower"] = {"user": FLOWER_USER, "password": password_of(settings.flower)}
        found["databases"] = embedded_urls(settings, run)
    found["queues"], processes = values["redis"] or (None, None)
    reports = sorted(processes.reports, key=lambda each: each.node) if processes else []
    found["worker_faults"] = servers.worker_faults(reports) if processes else None
    found["clocks"] = servers.clock_differences(processes) if processes else None
    found.update(servers.copies(settings, values["newest"], reports))
    found["redis"] = values["redis state"]
    found["disk"] = servers.disks(Path(found["data_dir"]) if found["data_dir"] else None, reports)
    found["submissions"] = values["submissions"]
    found["transient_failures"] = values["transient_failures"]
    found["catalogue"] = values["catalogue"]
    found["musicbrainz"] = values["musicbrainz"]
    found["nats"] = values["nats"]


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
