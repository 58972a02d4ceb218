"""Puts a stack together: servers, databases, processes, in this order."""

import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.effective_settings import CONFIG_VARIABLE, UserConfig, write_effective
from cli.stack.ports_and_passwords import StackRecord
from cli.stack.roles import Layout, Role, roles
from cli.stack.run_state import RunState, end_strays
from cli.stack.servers import place, ports
from cli.stack.servers.binaries import find_postgres, find_valkey
from cli.stack.servers.postgres import PostgresServer
from cli.stack.servers.valkey import ValkeyServer
from cli.stack.supervisor import CommandError, StopRequested, Supervisor
from http_server.listening import listen
from pipeline.settings.sections import Settings

Report = Callable[[str], None]

FOREIGN = ("FLOWER_", "CELERY_", "UVICORN_")
"""Starts of variables that would change what `cli.stack.roles` asks for."""

LIBPQ = "PG"
"""Start of the variables that are about somebody's other PostgreSQL, not about the embedded one."""


@dataclass(frozen=True, slots=True)
class Request:
    """What `acoustid up` was asked for.

    Attributes:
        port: 0 for any that is free.
        flower_port: None for no Flower.
        workers: number of lookup workers.
        sample: whether to load the sample catalogue.
        postgres_bin: directory of the programs, None to look for them.
        valkey_bin: the same for Valkey.
    """

    data: DataDir
    host: str
    port: int
    flower_port: int | None
    workers: int
    sample: bool
    postgres_bin: Path | None = None
    valkey_bin: Path | None = None


def run_stack(request: Request, report: Report, on_ready: Callable[[], None]) -> None:
    """Run a stack until somebody asks it to stop.

    Args:
        request: what to run.
        report: called with one line at a time, for whoever watches or reads a log.
        on_ready: called when the stack answers.

    Raises:
        StackError: it cannot be started, or runs already; what had been started is ended.
    """
    data = request.data
    data.create()
    with data.lock():
        _end_what_a_crash_left(data, report)
        user = UserConfig.read()
        port = ports.require(request.port, request.host, "--port")
        if request.flower_port:
            ports.require(request.flower_port, ports.LOOPBACK, "--flower-port")
        supervisor = Supervisor(data, report)
        try:
            with supervisor.on_duty():
                _start(supervisor, replace(request, port=port), user, report)
                on_ready()
                supervisor.watch()
        except StopRequested:
            report("stopped")


def _start(supervisor: Supervisor, request: Request, user: UserConfig, report: Report) -> None:
    """Start everything; return when it answers."""
    data = request.data
    record = _start_servers(supervisor, request, user)
    settings = write_effective(data, user, record)
    environ = child_environment(data, user)
    report("preparing the databases")
    supervisor.run_once("migrate", _acoustid("migrate", "--report", str(data.prepared)), environ)
    report("starting the workers, beat, the API and Flower")
    _start_processes(supervisor, _layout(request, settings, record), environ)
    if request.sample:
        report("loading the sample catalogue")
        _load_sample(supervisor, data, environ, report)
    report("ready")


def _end_what_a_crash_left(data: DataDir, report: Report) -> None:
    state = RunState.load(data)
    if state and (ended := end_strays(state.processes)):
        report(f"ended what an earlier run had left: {', '.join(ended)}")


def _start_servers(supervisor: Supervisor, request: Request, user: UserConfig) -> StackRecord:
    """Start the servers that nobody configured; return where they are."""
    data = request.data
    record = StackRecord.load(data)
    if user.embedded_databases:
        postgres = PostgresServer(
            place.choose(data.root, record.token),
            find_postgres(request.postgres_bin),
            port=ports.prefer(record.postgres_port),
            password=record.postgres_password,
            log=data.log(PostgresServer.role),
        )
        supervisor.start_server(postgres)
        record = record.with_ports(postgres=postgres.port, valkey=record.valkey_port)
    if user.embeds_redis:
        valkey = ValkeyServer(
            data.valkey,
            find_valkey(request.valkey_bin),
            port=ports.prefer(record.valkey_port),
            password=record.valkey_password,
            log=data.log(ValkeyServer.role),
        )
        supervisor.start_server(valkey)
        record = record.with_ports(postgres=record.postgres_port, valkey=valkey.port)
    record.save(data)
    return record


def _layout(request: Request, settings: Settings, record: StackRecord) -> Layout:
    return Layout(
        host=request.host,
        port=request.port,
        flower_port=request.flower_port,
        workers=request.workers,
        lookup_pool=settings.celery.lookup_pool,
        flower_password=record.flower_password,
    )


def _start_processes(supervisor: Supervisor, layout: Layout, environ: Mapping[str, str]) -> None:
    """Start the API, the workers and the rest; return when they answer."""
    wanted = roles(layout)
    for role in wanted:
        supervisor.start_role(role, environ, _listener(role) if role.shares_listener else None)
    nodes = [f"--node={role.node}" for role in wanted if role.node]
    api = ("--api", ports.web_address(layout.host, layout.port))
    supervisor.run_once("ready", _acoustid("ready", *api, *nodes), environ)


def _listener(role: Role) -> socket.socket:
    """Return the socket that a role listens on, so that it stays open between two processes."""
    try:
        return listen(role.host, role.port or 0)
    except OSError as error:
        raise StackError(f"port {role.port} cannot be used: {error.strerror}") from error


def _load_sample(
    supervisor: Supervisor, data: DataDir, environ: Mapping[str, str], report: Report
) -> None:
    """Load the sample catalogue; the stack is of use without it."""
    command = _acoustid("sample", "--demo", str(data.demo_lookup))
    try:
        supervisor.run_once("sample", command, environ)
    except CommandError as error:
        report(f"the sample catalogue is not loaded: {error}")


def child_environment(data: DataDir, user: UserConfig) -> dict[str, str]:
    """Return what the Python processes see: the user's environment, and our configuration."""
    unwanted = (*FOREIGN, LIBPQ) if user.embedded_databases else FOREIGN
    environ = {name: text for name, text in user.environ.items() if not name.startswith(unwanted)}
    return {**environ, CONFIG_VARIABLE: str(data.config)}


def _acoustid(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", *arguments]
