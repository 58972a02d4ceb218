"""A stack to torture: `acoustid up` on PostgreSQL and Valkey of its own, behind proxies.

The proxies tell the processes apart, so that a link between one role and one server can be
faulty. The servers are restarted when they end, as a service manager would do.
"""

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg2
import redis

from cli.stack.data_directory import DataDir
from cli.stack.processes.stopping import stop_process
from cli.stack.roles import Layout, roles
from cli.stack.run_state import RunState
from cli.stack.servers.embedded_server import EmbeddedServer, start_server
from cli.stack.servers.ports import LOOPBACK, free_port
from cli.stack.servers.postgres import USER
from cli.stack.stack_record import DATABASES
from pipeline.settings.sections import Settings
from tests.faults.torture.load import Target
from tests.faults.torture.stack import host_clock, small_disks
from tests.faults.torture.stack.host_clock import HostClock
from tests.faults.torture.stack.owners import PortOwners
from tests.support.links.proxy import LinkProxy
from tests.support.processes.servers import PASSWORD, make_postgres, make_valkey, temporary_folder
from tests.support.processes.whole_stack import ENVIRON, WholeStack, acoustid

if TYPE_CHECKING:
    from cli.stack.processes.child_process import ChildProcess

SERVERS: Final = ("postgres", "valkey")
NAMES: Final = ("acoustid_app", "acoustid_fingerprint", "acoustid_ingest", "musicbrainz")
WATCH_INTERVAL: Final = 0.2
START_AGAIN: Final = 1.0
"""Seconds after which a server that has ended is started again."""


class TortureStack:
    """A running stack.

    Attributes:
        data: its data directory.
        folder: the directory of everything.
        servers: PostgreSQL and Valkey by role.
        links: the proxies in front of them, by role.
        target: its API and keys.
        clock: the clock of all roles that the stack starts.
        far_clock: the clock of another host's lookup worker; None if clocks can't be set.
    """

    def __init__(self, folder: Path, *, workers: int, disks: bool, clocks: bool) -> None:
        self.folder = folder
        self.data = DataDir.at(folder / "data")
        self._workers = workers
        self._port = free_port()
        self._flower_port = free_port()
        self.has_disks = disks
        self.clock = HostClock(folder, "stack") if clocks else None
        self.far_clock = HostClock(folder, "far") if clocks else None
        self.servers: dict[str, EmbeddedServer] = {}
        self.links: dict[str, LinkProxy] = {}
        self._running: dict[str, ChildProcess] = {}
        self._held: set[str] = set()
        self._watching = threading.Event()
        self._lock = threading.RLock()
        self.target: Target
        self._far: subprocess.Popen[bytes] | None = None

    @contextmanager
    def started(self) -> Iterator["TortureStack"]:
        """Start everything for a block; stop it at the end."""
        with ExitStack() as stack:
            for name, size in small_disks.SIZES.items():
                self.disk(name).mkdir(parents=True, mode=0o711)
                if self.has_disks:
                    stack.enter_context(small_disks.mounted(self.disk(name), size))
            self._make_servers()
            for role in SERVERS:
                self.start(role)
                stack.callback(self.end, role)
            owners = PortOwners(self.roles)
            for role, server in self.servers.items():
                proxy = LinkProxy(LOOPBACK, server.port, owners.name_of)
                self.links[role] = stack.enter_context(proxy)
            watcher = threading.Thread(target=self._watch, daemon=True)
            stack.callback(watcher.join)
            stack.callback(self._watching.set)
            watcher.start()
            stack.callback(acoustid, "down", data=self.data)
            self.up()
            keys = WholeStack(self.data, self.environ(), {})
            self.target = Target(f"http://{LOOPBACK}:{self._port}", keys.client, keys.user)
            if self.far_clock:
                stack.callback(self._stop_far)
                self.start_far()
            yield self

    def _make_servers(self) -> None:
        self.servers = {
            "postgres": make_postgres(self.disk("postgres"), durable=True),
            "valkey": make_valkey(self.disk("valkey"), durable=True),
        }

    def disk(self, name: str) -> Path:
        """Return the folder that may be a file system of its own."""
        return self.folder / "disks" / name

    @property
    def index(self) -> Path:
        """The folder of the index."""
        return self.disk("index") / "files"

    @property
    def store(self) -> Path:
        """The folder of the fingerprint store."""
        return self.disk("store") / "files"

    @property
    def sketch(self) -> Path:
        """The directory of the sketch index, on the disk of the index."""
        return self.disk("index") / "sketch"

    def up(self) -> None:
        """Start the stack, which must not run."""
        options = ("--no-sample", "--workers", str(self._workers), "--port", str(self._port))
        flower = ("--flower-port", str(self._flower_port))
        done = acoustid("up", "--detach", *options, *flower, data=self.data, environ=self.environ())
        if done.returncode:
            raise RuntimeError(f"the stack did not start: {done.stderr}{done.stdout}")

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `acoustid` on the stack."""
        return acoustid(*arguments, data=self.data, environ=self.environ())

    def environ(self) -> dict[str, str]:
        """Return the environment of the stack: its servers are the proxies."""
        found = dict(ENVIRON)
        for section in DATABASES:
            prefix = f"ACOUSTID_{section.upper()}"
            found |= {f"{prefix}_{key}": text for key, text in self._login("postgres").items()}
        found |= {f"ACOUSTID_REDIS_{key}": text for key, text in self._login("valkey").items()}
        if self.clock:
            found |= self.clock.environ()
        found["ACOUSTID_FINGERPRINT_INDEX_PATH"] = str(self.index)
        found["ACOUSTID_FINGERPRINT_INDEX_SKETCH_PATH"] = str(self.sketch)
        found["ACOUSTID_FINGERPRINT_STORE_PATH"] = str(self.store)
        return found

    def _login(self, role: str) -> dict[str, str]:
        found = {"HOST": LOOPBACK, "PORT": str(self.links[role].port), "PASSWORD": PASSWORD}
        return found | ({"USER": USER} if role == "postgres" else {})

    def settings(self) -> Settings:
        """Return settings whose servers are reached without the proxies."""
        tree: dict[str, Any] = {
            "redis": {"host": LOOPBACK, "port": self.servers["valkey"].port, "password": PASSWORD},
            "fingerprint_index": {"path": self.index},
            "fingerprint_store": {"path": self.store},
        }
        for section, name in zip(DATABASES, NAMES, strict=True):
            tree[section] = tree[f"{section}_ro"] = {
                "name": name,
                "user": USER,
                "password": PASSWORD,
                "host": LOOPBACK,
                "port": self.servers["postgres"].port,
            }
        return Settings.model_validate(tree)

    def roles(self) -> Mapping[int, str]:
        """Return the running roles by pid: ``api``, ``workers``, ``beat`` or another one."""
        state = RunState.load(self.data)
        found = {
            each.identity.pid: _group(each.role) for each in (state.processes if state else ())
        }
        if self._far and self._far.poll() is None:
            found[self._far.pid] = "workers"
        return found

    def pids(self) -> dict[str, int]:
        """Return the pids of the running roles and of the supervisor, by role."""
        state = RunState.load(self.data)
        if state is None:
            return {}
        found = {each.role: each.identity.pid for each in state.processes}
        return {**found, "supervisor": state.supervisor.pid}

    def valkey(self) -> redis.Redis:
        """Return a client of Valkey that does not use the proxy."""
        port = self.servers["valkey"].port
        return redis.Redis(LOOPBACK, port, password=PASSWORD, socket_timeout=5.0)

    def postgres(self, database: str) -> "psycopg2.extensions.connection":
        """Return a connection to PostgreSQL that does not use the proxy."""
        return psycopg2.connect(
            dbname=database,
            host=LOOPBACK,
            port=self.servers["postgres"].port,
            user=USER,
            password=PASSWORD,
        )

    def server_pid(self, role: str) -> int:
        """Return the pid of a server."""
        with self._lock:
            return self._running[role].pid

    @contextmanager
    def held(self, role: str) -> Iterator[None]:
        """Do not start a server again during a block; start it at the end if it has ended."""
        self._held.add(role)
        try:
            yield
        finally:
            self._held.discard(role)
            self.start(role)

    def start(self, role: str) -> None:
        """Start a server that does not run."""
        with self._lock:
            process = self._running.get(role)
            if process is None or not process.runs():
                self._running[role] = start_server(self.servers[role])

    def end(self, role: str) -> None:
        """Stop a server in an orderly way."""
        with self._lock:
            stop_process(self._running[role], self.servers[role].escalation)

    def _watch(self) -> None:
        while not self._watching.wait(WATCH_INTERVAL):
            for role in SERVERS:
                if role not in self._held and not self._running[role].runs():
                    if self._watching.wait(START_AGAIN):
                        return
                    with suppress(Exception):  # a full disk: it is tried again
                        self.start(role)

    def start_far(self) -> None:
        """Start a lookup worker of another host, whose clock may differ."""
        assert self.far_clock
        layout = Layout(host=LOOPBACK, port=1, flower_port=None, workers=1)
        role = next(each for each in roles(layout) if each.name == "worker-lookup-1")
        command = [each.replace(f"{role.node}@", "lookup-far@") for each in role.command]
        own = {key: text for key, text in os.environ.items() if not key.startswith("ACOUSTID_")}
        with (self.folder / "far.log").open("ab") as log:
            self._far = subprocess.Popen(
                command,
                env={
                    **own,
                    **ENVIRON,
                    "ACOUSTID_CONFIG": str(self.data.config),
                    **self.far_clock.environ(),
                },
                stdout=log,
                stderr=log,
            )

    def _stop_far(self) -> None:
        if self._far:
            self._far.terminate()
            try:
                self._far.wait(20)
            except subprocess.TimeoutExpired:
                self._far.kill()
                self._far.wait()


def _group(role: str) -> str:
    return "workers" if role.startswith("worker-") else role


@contextmanager
def running_torture_stack(*, workers: int = 1, all_faults: bool = True) -> Iterator[TortureStack]:
    """Run a stack in a temporary directory during a block.

    Args:
        workers: the number of lookup workers.
        all_faults: whether small disks and changeable clocks are made, where they can be.
    """
    with temporary_folder() as folder:
        stack = TortureStack(
            folder,
            workers=workers,
            disks=all_faults and small_disks.problem() is None,
            clocks=all_faults and host_clock.problem() is None,
        )
        with stack.started():
            yield stack
