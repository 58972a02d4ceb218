"""A stack of the benchmark's own: ``acoustid up`` with no limits and no settings of the user's."""

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals
from typing import Final

from bench.catalogue.catalogue import Catalogue
from bench.catalogue.load import load
from bench.stack.run_file import read_run_file
from bench.turns.checkouts import Checkout, clean_environment
from cli.errors import StackError
from cli.stack.child_process import ChildProcess, read_tail, spawn
from cli.stack.data_directory import DataDir, write_private
from cli.stack.effective_settings import read_settings
from cli.stack.servers import postgres_directory
from cli.stack.servers.ports import LOOPBACK, free_port
from cli.stack.stopping import Escalation, stop_process
from pipeline.catalog.app.accounts import create_account, create_application, find_application
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings

KEY: Final = "benchmarks"
"""The key of the application that asks; it has no rate limit."""

NO_LIMITS: Final = {
    f"ACOUSTID_CLUSTER_RATE_LIMITER_{tier}_LIMIT": "0" for tier in ("GLOBAL", "APP", "IP")
}
STOP: Final[Escalation] = ((Signals.SIGTERM, 90.0), (Signals.SIGKILL, 5.0))
CONTENT: Final = "bench.json"
"""File of a data directory that names the catalogue which it holds."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class StackOptions:
    """How a stack is run.

    Attributes:
        workers: number of lookup workers.
        cpus: the cores that it may use, empty for all.
        settings: options beside the defaults, by the names of their environment variables.
    """

    workers: int
    cpus: tuple[int, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Started:
    """A stack that runs, of this checkout or another one.

    Attributes:
        port: of its API, on the loopback address.
    """

    data: DataDir
    port: int


@dataclass(frozen=True)
class Stack(Started):
    """A stack of this checkout that runs and holds a catalogue.

    Attributes:
        user: key of the user who submits.
    """

    settings: Settings
    user: str


@contextmanager
def data_directory(wanted: Path | None) -> Iterator[DataDir]:
    """Use the directory that is wanted, and keep it; or a temporary one, and delete it."""
    if wanted:
        yield DataDir.at(wanted)
        return
    folder = Path(tempfile.mkdtemp(prefix="acoustid-bench-")).resolve()
    folder.chmod(0o711)  # root's PostgreSQL runs as another user, who must pass through
    data = DataDir(folder / "data")
    try:
        yield data
    finally:
        postgres_directory.delete_external(data.root)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_stack(
    data: DataDir, catalogue: Catalogue, options: StackOptions, progress: Progress
) -> Iterator[Stack]:
    """Run a stack that holds a catalogue, loaded at the first time; end it at the exit.

    A stack that is bound to some cores has them to itself: meanwhile this process, and the load
    drivers that it starts, use the others, if there are any.

    Raises:
        StackError: it doesn't start, or the directory holds another catalogue.
    """
    is_loaded = check_content(data, catalogue)
    with started_stack(data, options, Checkout.own(), progress) as started:
        settings = read_settings(data.config, {})
        if not is_loaded:
            load(catalogue, settings, progress)
            write_private(data.root / CONTENT, json.dumps(_content(catalogue)))
        with pinned(_other_cpus(options.cpus)):
            yield Stack(data, started.port, settings, _make_keys(settings))


@contextmanager
def started_stack(
    data: DataDir, options: StackOptions, checkout: Checkout, progress: Progress
) -> Iterator[Started]:
    """Run a stack of a checkout's code on a data directory of its; end it at the exit.

    Raises:
        StackError: it doesn't start; the text quotes its log.
    """
    data.create()
    progress("starting a stack")
    child = _start(data, options, checkout)
    try:
        yield Started(data, _wait(data, child))
    finally:
        progress("stopping the stack")
        stop_process(child, STOP)


def check_content(data: DataDir, catalogue: Catalogue) -> bool:
    """Say whether a data directory holds this catalogue, or nothing yet.

    Raises:
        StackError: it holds anything else; the text says what to change.
    """
    try:
        held = json.loads((data.root / CONTENT).read_bytes())
    except FileNotFoundError:
        if data.config.exists():
            raise StackError(
                f"{data.root} is no benchmark's, or its loading was cut short: delete it, or "
                "choose another --data-dir"
            ) from None
        return False
    if held != _content(catalogue):
        raise StackError(
            f"{data.root} holds {held['fingerprints']} fingerprints of seed {held['seed']}: ask "
            "for those, or choose another --data-dir"
        )
    return True


def _content(catalogue: Catalogue) -> dict[str, int]:
    return {"fingerprints": catalogue.fingerprints, "seed": catalogue.seed}


def _start(data: DataDir, options: StackOptions, checkout: Checkout) -> ChildProcess:
    """Start ``acoustid up``; it ends with this process, however that ends."""
    command = checkout.command(
        *("up", "--data-dir", str(data.root), "--detached", "--no-sample"),
        *("--workers", str(options.workers), "--port", "0", "--flower-port", str(free_port())),
    )
    environ = {**clean_environment(), **NO_LIMITS, **options.settings}
    with pinned(options.cpus):
        return spawn(command, log=data.log("bench"), env=environ, cwd=checkout.root)


@contextmanager
def pinned(cpus: Sequence[int]) -> Iterator[None]:
    """Let what is started meanwhile use these cores alone.

    Raises:
        StackError: this system can't do that, or has no such core.
    """
    if not cpus:
        yield
        return
    if sys.platform != "linux":
        raise StackError("processes can be bound to cores on Linux alone: leave --cpus out")
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, cpus)
    except OSError as error:
        raise StackError(f"there are the cores {sorted(before)}, not {list(cpus)}") from error
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _other_cpus(cpus: Sequence[int]) -> tuple[int, ...]:
    """Return the cores that a stack on some leaves to what drives it; none if it may use all."""
    if not cpus:
        return ()
    return tuple(sorted(os.sched_getaffinity(0).difference(cpus)))


def _wait(data: DataDir, child: ChildProcess) -> int:
    """Wait until a stack is ready; return the port of its API."""
    while True:
        found = read_run_file(data)
        if found and found.ready and found.supervisor == child.pid:
            break
        if not child.runs():
            log = data.log("bench")
            raise StackError(f"the stack did not start; the end of {log}:\n{read_tail(log)}")
        time.sleep(0.1)
    if found.api_port is None:
        raise StackError(f"{data.run} names no API at {LOOPBACK}")
    return found.api_port


def _make_keys(settings: Settings) -> str:
    """Make the application's key, unless it is there, and a user's key; return that."""
    databases = Databases(settings, component="bench")
    try:
        with databases.engine("app").begin() as connection:
            if find_application(connection, KEY) is None:
                create_application(connection, "Benchmarks", rate_limit=0, key=KEY)
            return create_account(connection, "Benchmarks").key
    finally:
        databases.dispose()
