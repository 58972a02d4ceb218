"""Starts servers, databases and processes of a stack, and runs it until it is stopped."""

import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cli.errors import StackError
from cli.stack.data_directory import CONFIG_VARIABLE, DataDir
from cli.stack.effective_settings import (
    UserConfig,
    with_absolute_paths,
    without_secrets,
    write_effective,
)
from cli.stack.front_end_health import lookup_faults
from cli.stack.identity.claim import claim_directory, require_own_configuration
from cli.stack.logs.own_output import rotating
from cli.stack.processes import forking, preloading
from cli.stack.processes.child_process import SAFE_PATH
from cli.stack.recovery.damaged_files import repair_files
from cli.stack.recovery.unfinished_restore import require_no_restore
from cli.stack.requirements.code_folder import choose_code_folder
from cli.stack.roles import Layout, Role, roles
from cli.stack.run_state import RunState, stop_strays
from cli.stack.running.port_holder import require_port
from cli.stack.running.stop_progress import pause_with_progress
from cli.stack.running.supervisors import require_no_supervisor
from cli.stack.servers import ports, postgres_directory
from cli.stack.servers.binaries import find_postgres, find_valkey
from cli.stack.servers.libpq_variables import LIBPQ_PREFIX, remove_libpq_variables
from cli.stack.servers.postgres import PostgresServer
from cli.stack.servers.valkey import ValkeyServer
from cli.stack.stack_record import StackRecord
from cli.stack.supervision.supervisor import CommandError, StopRequested, Supervisor
from http_server.listening import listen
from pipeline.settings.sections import RedisSettings, Settings

Report = Callable[[str], None]

_OVERRIDING_PREFIXES = ("FLOWER_", "CELERY_", "UVICORN_")
"""Prefixes of variables that would override the commands of `cli.stack.roles`."""

REDIS_TIMEOUT = 5.0
"""Seconds to wait for a Redis that this command does not start; it may be starting, too."""


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
        adopt: whether a copy of another data directory becomes a stack of its own.
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
    adopt: bool = False


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
        require_no_restore(data)
        require_no_supervisor(data)
        repair_files(data, report)
        choose_code_folder(data.machine_code, report)
        user = UserConfig.read(effective=data.config)
        require_own_configuration(user.path)
        if user.embedded_databases:
            remove_libpq_variables()
        claim_directory(data, report, adopt=options.adopt)
        _stop_strays(data, report)
        for variable in user.unwritable:
            report(f"{variable} holds for this start only: acoustid.conf cannot contain the value")
        if options.log is not None:
            report = rotating(report, options.log, user.settings.logging)
        port = require_port(options.port, options.host, "--port")
        options = replace(options, port=port, flower_port=_flower_port(options, user))
        supervisor = Supervisor(data, report, user.settings.logging)
        try:
            with supervisor.supervise():
                if forking.IS_SUPPORTED:
                    supervisor.work_while_waiting(preloading.import_modules())
                report("starting the servers")
                _start(supervisor, options, user, report)
                on_ready()
                supervisor.run_until_stopped()
        except StopRequested:
            report("stopped")


def _flower_port(options: UpOptions, user: UserConfig) -> int:
    """Return the port of Flower, which is free; 0 for no Flower."""
    flower = user.settings.flower
    port = flower.port if options.flower_port is None else options.flower_port
    if port and port == options.port:
        raise StackError(
            f"the API and Flower cannot both use port {port}: choose another with --port or "
            "--flower-port"
        )
    return require_port(port, flower.address, "--flower-port") if port else 0


def _start(supervisor: Supervisor, options: UpOptions, user: UserConfig, report: Report) -> None:
    """Start the whole stack; return when it answers."""
    data = options.data
    record = _start_servers(supervisor, options, user)
    settings = write_effective(data, user, record)
    if not user.embeds_redis:
        _require_redis(settings.redis, supervisor)
    environ = child_environment(data, user)
    supervisor.finish_work()
    _compile_loops(supervisor, environ, report)
    report("preparing the databases")
    migrate = _acoustid("migrate", "--report", str(data.prepared))
    supervisor.run_command("migrate", migrate, environ, forks=True)
    _start_processes(supervisor, roles(_layout(options, settings)), environ, settings, report)
    if options.sample:
        _load_sample(supervisor, data, environ, report)
    report("ready")


def _compile_loops(supervisor: Supervisor, environ: Mapping[str, str], report: Report) -> None:
    """Compile the loops if they are not compiled yet, so that no worker does it at its start.

    The compiler leaves 150 MB of memory that is not freed, so it runs in a process of its own.
    """
    from pipeline import warm_up  # noqa: PLC0415 - it loads Numba

    if not warm_up.is_warm():
        report("compiling the loops, once for this installation (about a minute)")
        command = [sys.executable, "-m", warm_up.__name__]
        supervisor.run_command("compile", command, environ)


def _require_redis(settings: RedisSettings, supervisor: Supervisor) -> None:
    """Return when the user's Redis replies.

    Raises:
        StackError: it does not reply within `REDIS_TIMEOUT`; the text says why.
    """
    from pipeline.runtime.start_log import redis_problem  # noqa: PLC0415 - the import is slow

    deadline = time.monotonic() + REDIS_TIMEOUT
    while problem := redis_problem(settings):
        if time.monotonic() > deadline:
            raise StackError(problem)
        supervisor.pause(0.5)


def _stop_strays(data: DataDir, report: Report) -> None:
    state = RunState.load(data)
    if state is None:
        return
    pause = pause_with_progress(state.processes, report)
    if stopped := stop_strays(state.processes, pause):
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
        uses_nats=bool(settings.nats.servers),
        excerpt_queue=settings.celery.excerpt_queue,
    )


def _start_processes(
    supervisor: Supervisor,
    wanted: Sequence[Role],
    environ: Mapping[str, str],
    settings: Settings,
    report: Report,
) -> None:
    """Start the processes of all roles; return when the API and the workers answer.

    Forked processes share the loops, so this process loads them first. It does not compile loops
    whose machine code could not be kept: each worker does, and this process replies to signals.
    The other roles start last, since a lookup does not need them.
    """
    from pipeline import warm_up  # noqa: PLC0415 - it loads Numba

    report("starting the API and the workers")
    front_ends = [role for role in wanted if role.shares_listener]
    workers = [role for role in wanted if role.node]
    others = [role for role in wanted if role not in (*front_ends, *workers)]
    if forking.IS_SUPPORTED and warm_up.is_warm():
        preloading.load_loops(index=settings.fingerprint_index.searches_files)
    for role in front_ends:
        supervisor.start_role(role, environ, _listener(role))
    for role in workers:
        supervisor.start_role(role, environ)
    addresses = [f"--api={ports.web_address(role.host, role.port or 0)}" for role in front_ends]
    nodes = [f"--node={role.node}" for role in workers]
    supervisor.run_command("ready", _acoustid("ready", *addresses, *nodes), environ, forks=True)
    report(f"starting {' and '.join(role.name for role in others)}")
    for role in others:
        supervisor.start_role(role, environ)
    for role in others:
        if role.port is not None:
            supervisor.wait_until_listening(role)


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
        supervisor.run_command("sample", command, environ, forks=True)
    except CommandError as error:
        report(f"the sample catalogue was not loaded: {error}")


def child_environment(data: DataDir, user: UserConfig) -> dict[str, str]:
    """Return the user's environment without unwanted variables, and with the stack's settings.

    Secrets are left out: the file with the stack's settings has them.
    """
    unwanted: tuple[str, ...] = _OVERRIDING_PREFIXES
    if user.embedded_databases:
        unwanted = (*unwanted, LIBPQ_PREFIX)
    environ = {name: text for name, text in user.environ.items() if not name.startswith(unwanted)}
    environ = with_absolute_paths(without_secrets(environ))
    return {**environ, **SAFE_PATH, CONFIG_VARIABLE: str(data.config)}


def _acoustid(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", *arguments]
