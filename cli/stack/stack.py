"""Starts servers, databases and processes of a stack, and runs it until it is stopped."""

import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.effective_settings import (
    CONFIG_VARIABLE,
    UserConfig,
    with_absolute_paths,
    write_effective,
)
from cli.stack.front_end_health import lookup_faults
from cli.stack.logs.own_output import rotating
from cli.stack.ports_and_passwords import StackRecord
from cli.stack.processes.child_process import SAFE_PATH
from cli.stack.roles import Layout, Role, roles
from cli.stack.run_state import RunState, stop_strays
from cli.stack.servers import ports, postgres_directory
from cli.stack.servers.binaries import find_postgres, find_valkey
from cli.stack.servers.postgres import PostgresServer
from cli.stack.servers.valkey import ValkeyServer
from cli.stack.supervisor import CommandError, StopRequested, Supervisor
from http_server.listening import listen
from pipeline.runtime.start_log import redis_problem
from pipeline.settings.sections import RedisSettings, Settings

Report = Callable[[str], None]

_OVERRIDING_PREFIXES = ("FLOWER_", "CELERY_", "UVICORN_")
"""Prefixes of variables that would override the commands of `cli.stack.roles`."""

REDIS_TIMEOUT = 5.0
"""Seconds to wait for a Redis that this command does not start; it may be starting, too."""

_LIBPQ_PREFIX = "PG"
"""Prefix of variables of libpq, which must not apply to the embedded PostgreSQL."""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """The options of `acoustid up`.

    Attributes:
        data: the data directory.
        host: the address of the API.
        port: the port of the API; 0 for any free one.
        flower_port: the port of Flower; 0 for no Flower, None for the port in the settings.
        workers: the number of lookup workers.
        sample: whether to load the sample catalogue.
        postgres_bin: the directory of PostgreSQL's programs; None to search for them.
        valkey_bin: the directory of Valkey's program; None to search for it.
        log: the log to which this process writes its output; None for a terminal.
    """

    data: DataDir
    host: str
    port: int
    flower_port: int | None
    workers: int
    sample: bool
    postgres_bin: Path | None = None
    valkey_bin: Path | None = None
    log: Path | None = None


def run_stack(options: UpOptions, report: Report, on_ready: Callable[[], None]) -> None:
    """Run a stack until a signal stops it.

    Args:
        options: the options of the stack.
        report: called with one line of text at a time.
        on_ready: called when the stack answers.

    Raises:
        StackError: the stack cannot be started, or runs already. Its processes are stopped.
    """
    data = options.data
    data.create()
    with data.lock():
        _stop_strays(data, report)
        user = UserConfig.read()
        if options.log is not None:
            report = rotating(report, options.log, user.settings.logging)
        port = ports.require(options.port, options.host, "--port")
        options = replace(options, port=port, flower_port=_flower_port(options, user))
        supervisor = Supervisor(data, report, user.settings.logging)
        try:
            with supervisor.supervise():
                _start(supervisor, options, user, report)
                on_ready()
                supervisor.run_until_stopped()
        except StopRequested:
            report("stopped")


def _flower_port(options: UpOptions, user: UserConfig) -> int:
    """Return the port of Flower, which is free; 0 for no Flower."""
    flower = user.settings.flower
    port = flower.port if options.flower_port is None else options.flower_port
    return ports.require(port, flower.address, "--flower-port") if port else 0


def _start(supervisor: Supervisor, options: UpOptions, user: UserConfig, report: Report) -> None:
    """Start the whole stack; return when it answers."""
    data = options.data
    record = _start_servers(supervisor, options, user)
    settings = write_effective(data, user, record)
    if not user.embeds_redis:
        _require_redis(settings.redis, supervisor)
    environ = child_environment(data, user)
    report("preparing the databases")
    supervisor.run_command("migrate", _acoustid("migrate", "--report", str(data.prepared)), environ)
    report("starting the workers, beat, the API and Flower")
    _start_processes(supervisor, _layout(options, settings), environ)
    if options.sample:
        _load_sample(supervisor, data, environ, report)
    report("ready")


def _require_redis(settings: RedisSettings, supervisor: Supervisor) -> None:
    """Return when the user's Redis replies.

    Raises:
        StackError: it does not reply within `REDIS_TIMEOUT`; the text says why.
    """
    deadline = time.monotonic() + REDIS_TIMEOUT
    while problem := redis_problem(settings):
        if time.monotonic() > deadline:
            raise StackError(problem)
        supervisor.pause(0.5)


def _stop_strays(data: DataDir, report: Report) -> None:
    state = RunState.load(data)
    if state and (stopped := stop_strays(state.processes)):
        report(f"stopped processes of an earlier run: {', '.join(stopped)}")


def _start_servers(supervisor: Supervisor, options: UpOptions, user: UserConfig) -> StackRecord:
    """Start the servers for which the user configures no host; return their ports and passwords."""
    data = options.data
    record = StackRecord.load(data)
    if user.embedded_databases:
        postgres = PostgresServer(
            postgres_directory.choose(data.root, record.token),
            find_postgres(options.postgres_bin),
            port=ports.prefer(record.postgres_port),
            password=record.postgres_password,
            log=data.log(PostgresServer.role),
        )
        supervisor.start_server(postgres)
        record = record.with_ports(postgres=postgres.port, valkey=record.valkey_port)
    if user.embeds_redis:
        valkey = ValkeyServer(
            data.valkey,
            find_valkey(options.valkey_bin),
            port=ports.prefer(record.valkey_port),
            password=record.valkey_password,
            log=data.log(ValkeyServer.role),
        )
        supervisor.start_server(valkey)
        record = record.with_ports(postgres=record.postgres_port, valkey=valkey.port)
    record.save(data)
    return record


def _layout(options: UpOptions, settings: Settings) -> Layout:
    return Layout(
        host=options.host,
        port=options.port,
        flower_port=options.flower_port or None,
        workers=options.workers,
        lookup_pool=settings.celery.lookup_pool,
        flower_host=settings.flower.address,
        drain_time=settings.api.drain_time,
    )


def _start_processes(supervisor: Supervisor, layout: Layout, environ: Mapping[str, str]) -> None:
    """Start the processes of all roles; return when the API and the workers answer."""
    wanted = roles(layout)
    for role in wanted:
        supervisor.start_role(role, environ, _listener(role) if role.shares_listener else None)
    nodes = [f"--node={role.node}" for role in wanted if role.node]
    api = ("--api", ports.web_address(layout.host, layout.port))
    supervisor.run_command("ready", _acoustid("ready", *api, *nodes), environ)


def _listener(role: Role) -> socket.socket:
    """Open the listening socket of a role; it stays open while the process is replaced."""
    try:
        return listen(role.host, role.port or 0)
    except OSError as error:
        raise StackError(f"port {role.port} cannot be used: {error.strerror}") from error


def _load_sample(
    supervisor: Supervisor, data: DataDir, environ: Mapping[str, str], report: Report
) -> None:
    """Load the sample catalogue. A failure is only reported: the stack runs without it, too.

    The load ends when a lookup finds the sample, so it does not begin while lookups are impossible.
    """
    if found := lookup_faults(RunState.load(data)):
        report("the sample catalogue is loaded at a later start, since lookups are not possible:")
        for line in found:
            report(f"  {line}")
        return
    report("loading the sample catalogue")
    command = _acoustid("sample", "--demo", str(data.demo_lookup))
    try:
        supervisor.run_command("sample", command, environ)
    except CommandError as error:
        report(f"the sample catalogue was not loaded: {error}")


def child_environment(data: DataDir, user: UserConfig) -> dict[str, str]:
    """Return the user's environment without unwanted variables, and with the stack's settings."""
    unwanted: tuple[str, ...] = _OVERRIDING_PREFIXES
    if user.embedded_databases:
        unwanted = (*unwanted, _LIBPQ_PREFIX)
    environ = {name: text for name, text in user.environ.items() if not name.startswith(unwanted)}
    return {**with_absolute_paths(environ), **SAFE_PATH, CONFIG_VARIABLE: str(data.config)}


def _acoustid(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", *arguments]
