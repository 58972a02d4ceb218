"""``acoustid up``: runs the whole service on this machine."""

import os
import shlex
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

import click

from cli.errors import StackError
from cli.stack import data_directory
from cli.stack.data_directory import DataDir
from cli.stack.demo_keys import Prepared
from cli.stack.front_end_health import health_lines, settled_health
from cli.stack.identity.claim import require_adopted
from cli.stack.processes.child_process import SAFE_PATH, ChildProcess, open_log, read_tail
from cli.stack.recovery.unfinished_restore import require_no_restore
from cli.stack.requirements.free_space import require_free_space
from cli.stack.requirements.open_files import raise_file_limit
from cli.stack.requirements.stack_owner import require_own_stack
from cli.stack.run_state import RunState
from cli.stack.servers.ports import web_address
from pipeline.runtime.processes import usable_cpus

SUPERVISOR_LOG = "supervisor"


@click.command()
@data_directory.option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the API.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=5000,
    show_default=True,
    help="Port of the API, 0 for any free one.",
)
@click.option(
    "--flower-port",
    type=click.IntRange(0, 65535),
    show_default="the port in the settings, 5555",
    help="Port of Flower, 0 for no Flower.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=usable_cpus,
    show_default="one per CPU",
    help="Number of lookup workers; with [celery] excerpt_queue, also of excerpt workers.",
)
@click.option("--detach", is_flag=True, help="Return when the stack is ready. It continues to run.")
@click.option("--detached", is_flag=True, hidden=True, help="The process that --detach starts.")
@click.option("--sample/--no-sample", default=True, help="Load the sample catalogue (default).")
@click.option(
    "--adopt",
    is_flag=True,
    help="Make a copied data directory a stack of its own, with new ports and passwords.",
)
@click.option(
    "--postgres-bin",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Directory of the PostgreSQL programs.",
)
@click.option(
    "--valkey-bin",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Directory of the Valkey or Redis program.",
)
def up(  # noqa: PLR0913 - one argument per option
    *,
    data_dir: Path,
    host: str,
    port: int,
    flower_port: int | None,
    workers: int,
    detach: bool,
    detached: bool,
    sample: bool,
    adopt: bool,
    postgres_bin: Path | None,
    valkey_bin: Path | None,
) -> None:
    """Run everything until Ctrl-C or `acoustid down`.

    PostgreSQL and Redis are started, unless ACOUSTID_CONFIG, acoustid.conf or the environment
    configure a host for them.
    """
    raise_file_limit()
    data = DataDir.at(data_dir)
    require_own_stack(data.root, data.record)
    require_no_restore(data)
    if not detached:  # the process with --detach has checked it
        require_free_space(data.root, _report, exists=data.record.exists())
    require_adopted(data, adopt=adopt)
    if detach:
        start_detached(data)
        _print_running(data)
        return
    from cli.stack.stack import UpOptions, run_stack  # noqa: PLC0415 - the import is slow

    options = UpOptions(
        data=data,
        host=host,
        port=port,
        flower_port=flower_port,
        workers=workers,
        sample=sample,
        postgres_bin=postgres_bin,
        valkey_bin=valkey_bin,
        log=data.log(SUPERVISOR_LOG) if detached else None,
        adopt=adopt,
    )
    if detached:  # the output goes to a log, which must not contain keys
        run_stack(options, _report, lambda: None)
    else:
        run_stack(options, _report, lambda: _print_running(data))


def _report(line: str) -> None:
    """Print a line of progress. A closed terminal is not an error."""
    with suppress(OSError):
        click.echo(f"{time.strftime('%H:%M:%S')} {line}", err=True)


def _print_running(data: DataDir) -> None:
    """Print addresses, keys and an example command, and the health unless its grade is ``ok``."""
    with suppress(OSError):
        click.echo(f"\n{describe_running(data, shows_password=sys.stdout.isatty())}\n")
        found = settled_health(RunState.load(data))
        if found is None:
            click.echo("the API does not reply to health checks: see its log")
        elif found.get("status") != "ok":
            click.echo("\n".join(health_lines(found)) + "\n")


def start_detached(data: DataDir) -> None:
    """Run this command again in a new session. Return when the stack is ready.

    The progress that the new process writes to its log is printed.

    Raises:
        StackError: the process ended; the text quotes its log.
    """
    data.create()
    if data.is_locked():
        with data.lock():  # raises AlreadyRunningError
            pass
    arguments = ["--detached" if each == "--detach" else each for each in sys.argv[1:]]
    log = data.log(SUPERVISOR_LOG)
    with open_log(log) as output:
        written_before = output.tell()
        process = subprocess.Popen(  # noqa: S603 - the same command
            [sys.executable, "-m", "cli.main", *arguments],
            env={**os.environ, **SAFE_PATH},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    child = ChildProcess(process)
    try:
        with log.open("rb") as written:
            written.seek(written_before)
            while not _is_ready(data, child.pid):
                if not child.runs():
                    raise StackError(
                        f"the stack did not start; the end of {log}:\n{read_tail(log)}"
                    )
                time.sleep(0.05)
                _print_progress(written)
            _print_progress(written)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise


def _print_progress(log: IO[bytes]) -> None:
    """Print the new lines of the supervisor's log."""
    with suppress(OSError):
        click.echo(log.read().decode(errors="replace"), nl=False, err=True)


def _is_ready(data: DataDir, pid: int) -> bool:
    state = RunState.load(data)
    return state is not None and state.supervisor.pid == pid and state.ready


def describe_running(data: DataDir, *, shows_password: bool) -> str:
    """Return addresses, keys and an example command as lines of text.

    Args:
        data: the data directory.
        shows_password: whether to return the password of Flower. Output that is no terminal may be
            a log: it names the command that prints the password.
    """
    # These imports are slow, and `up --detach` must first start the stack.
    from cli.stack.effective_settings import read_settings  # noqa: PLC0415
    from tasks.flower.password_file import USER, password_of  # noqa: PLC0415

    state = RunState.load(data)
    prepared = Prepared.load(data.prepared)
    lines = [f"AcoustID is ready; its data is in {data.root}"]
    api = _address(state, "api")
    flower = _address(state, "flower")
    if api:
        lines.append(f"  API      {api}")
    if flower:
        shown = "in `acoustid status --json --show-passwords`"
        if shows_password:
            shown = password_of(read_settings(data.config).flower)
        lines.append(f"  Flower   {flower}  (user {USER}, password {shown})")
    if prepared.demo:
        lines.append(f"  Keys     client={prepared.demo.client}  user={prepared.demo.user}")
    lines.append(f"  Logs     {data.log('*')}")
    if api:
        lines += ["Try it:", f"  {_example(data, api)}"]
    return "\n".join(lines)


def _example(data: DataDir, api: str) -> str:
    """Return a command for the demo lookup, or for the health check without the sample."""
    if not data.demo_lookup.exists():
        return f"curl {api}/_health"
    return f"curl --data {shlex.quote(f'@{data.demo_lookup}')} {api}/v2/lookup"


def _address(state: RunState | None, role: str) -> str | None:
    found = state.find(role) if state else None
    return web_address(found.host, found.port) if found and found.port else None
