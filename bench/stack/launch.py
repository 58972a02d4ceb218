"""Starts a stack for a benchmark: ``acoustid up`` without rate limits and user settings."""

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

from bench.catalogue.content import BenchCatalogue
from bench.catalogue.load import load
from bench.stack.checkouts import Checkout, clean_environment
from bench.stack.processes import read_run_file
from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.effective_settings import read_settings
from cli.stack.files.private_file import write_private
from cli.stack.processes.child_process import ChildProcess, read_tail, spawn
from cli.stack.processes.stopping import Escalation, stop_process
from cli.stack.servers import postgres_directory
from cli.stack.servers.ports import LOOPBACK, free_port
from pipeline.catalog.app.accounts import create_account, create_application, find_application
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings

KEY: Final = "benchmarks"
"""Key of the application that sends the requests; it has no rate limit."""

NO_LIMITS: Final = {
    f"ACOUSTID_CLUSTER_RATE_LIMITER_{tier}_LIMIT": "0" for tier in ("GLOBAL", "APP", "IP")
}
STOP: Final[Escalation] = ((Signals.SIGTERM, 90.0), (Signals.SIGKILL, 5.0))
CONTENT: Final = "bench.json"
"""File in a data directory that names its catalogue."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class StackOptions:
    """Options of a stack.

    Attributes:
        workers: the number of lookup workers.
        cpus: the numbers of the cores that it may use; empty for all.
        settings: the settings that differ from the defaults, by the names of their variables.
    """

    workers: int
    cpus: tuple[int, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunningStack:
    """A running stack of this checkout or another one.

    Attributes:
        data: its data directory.
        port: the port of its API on the loopback address.
    """

    data: DataDir
    port: int


@dataclass(frozen=True)
class LoadedStack(RunningStack):
    """A running stack of this checkout that contains a catalogue.

    Attributes:
        settings: the settings of the stack.
        user: the user key for submissions.
    """

    settings: Settings
    user: str


@contextmanager
def data_directory(wanted: Path | None) -> Iterator[DataDir]:
    """Provide the given directory, or a temporary one that is deleted at the end."""
    if wanted:
        yield DataDir.at(wanted)
        return
    folder = Path(tempfile.mkdtemp(prefix="acoustid-bench-")).resolve()
    folder.chmod(0o711)  # as root, PostgreSQL runs as another user, which must be able to enter
    data = DataDir(folder / "data")
    try:
        yield data
    finally:
        postgres_directory.delete_external(data.root)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def launch_loaded_stack(
    data: DataDir, catalogue: BenchCatalogue, options: StackOptions, progress: Progress
) -> Iterator[LoadedStack]:
    """Run a stack during the block. Load the catalogue if the directory is empty.

    If the stack is bound to some cores, this process and the load drivers use only the other ones,
    if there are any.

    Raises:
        StackError: the stack does not start, or the directory contains another catalogue.
    """
    is_loaded = check_content(data, catalogue)
    with launch_stack(data, options, Checkout.own(), progress) as running:
        settings = read_settings(data.config, {})
        if not is_loaded:
            load(catalogue, settings, progress)
            write_private(data.root / CONTENT, json.dumps(_content(catalogue)))
        with pinned(_other_cpus(options.cpus)):
            yield LoadedStack(data, running.port, settings, create_keys(settings))


@contextmanager
def launch_stack(
    data: DataDir, options: StackOptions, checkout: Checkout, progress: Progress
) -> Iterator[RunningStack]:
    """Run a stack with the code of a checkout during the block.

    Raises:
        StackError: the stack does not start; the text quotes its log.
    """
    data.create()
    progress("starting a stack")
    child = _start(data, options, checkout)
    try:
        yield RunningStack(data, _wait(data, child))
    finally:
        progress("stopping the stack")
        stop_process(child, STOP)


def check_content(data: DataDir, catalogue: BenchCatalogue) -> bool:
    """Return whether a data directory contains this catalogue. False: it is empty.

    Raises:
        StackError: it contains something else; the text explains what to do.
    """
    try:
        held = json.loads((data.root / CONTENT).read_bytes())
    except FileNotFoundError:
        if data.config.exists():
            raise StackError(
                f"{data.root} does not belong to a benchmark, or its loading was interrupted: "
                "delete it, or choose another --data-dir"
            ) from None
        return False
    except ValueError:
        held = None
    if held == _content(catalogue):
        return True
    if not isinstance(held, dict) or held.keys() != _content(catalogue).keys():
        raise StackError(f"{data.root / CONTENT} is damaged: delete {data.root}")
    raise StackError(
        f"{data.root} contains {held['fingerprints']} fingerprints of seed {held['seed']}: "
        "give these numbers, or choose another --data-dir"
    )


def _content(catalogue: BenchCatalogue) -> dict[str, int]:
    return {"fingerprints": catalogue.fingerprints, "seed": catalogue.seed}


def _start(data: DataDir, options: StackOptions, checkout: Checkout) -> ChildProcess:
    """Start ``acoustid up``. It ends when this process ends, also after a crash."""
    command = checkout.command(
        *("up", "--data-dir", str(data.root), "--detached", "--no-sample"),
        *("--workers", str(options.workers), "--port", "0", "--flower-port", str(free_port())),
    )
    environ = {**clean_environment(), **NO_LIMITS, **options.settings}
    with pinned(options.cpus):
        return spawn(command, log=data.log("bench"), env=environ, cwd=checkout.root)


@contextmanager
def pinned(cpus: Sequence[int]) -> Iterator[None]:
    """Bind processes that are started in the block to these cores.

    Raises:
        StackError: the system does not support it, or has no such core.
    """
    if not cpus:
        yield
        return
    if sys.platform != "linux":
        raise StackError("processes can be bound to cores on Linux only: omit --cpus")
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, cpus)
    except OSError as error:
        raise StackError(
            f"this machine has the cores {sorted(before)}, not {list(cpus)}"
        ) from error
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _other_cpus(cpus: Sequence[int]) -> tuple[int, ...]:
    """Return the cores that the stack does not use; empty if it may use all."""
    if not cpus:
        return ()
    return tuple(sorted(os.sched_getaffinity(0).difference(cpus)))


def _wait(data: DataDir, child: ChildProcess) -> int:
    """Wait until the stack is ready. Return the port of its API."""
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


def create_keys(settings: Settings) -> str:
    """Create the application key, if it is missing, and a user key. Return the user key."""
    databases = Databases(settings, component="bench")
    try:
        with databases.engine("app").begin() as connection:
            if find_application(connection, KEY) is None:
                create_application(connection, "Benchmarks", rate_limit=0, key=KEY)
            return create_account(connection, "Benchmarks").key
    finally:
        databases.dispose()
