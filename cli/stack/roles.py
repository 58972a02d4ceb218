"""The roles of a stack: the processes besides its servers.

The workers are those of the table in `tasks.queues`.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cli.stack.processes import forking
from cli.stack.processes.stopping import (
    SHORT_TERM_THEN_KILL,
    WARM_SHUTDOWN,
    Escalation,
    StopOrder,
    after_draining,
)
from cli.stack.servers.ports import LOOPBACK
from tasks.queues import queues_by_worker

API = "api"
"""The name of the front end's role."""

INGEST_NATS = "ingest-nats"
"""The name of the role that takes submissions from NATS."""

WITHOUT_TASKS = "tasks.application"
"""The Celery application of beat and Flower, which run no task."""


@dataclass(frozen=True, slots=True)
class Role:
    """A process to run.

    Attributes:
        name: its name in logs and in ``run.json``.
        stop_order: the group of processes with which it stops.
        command: the program and its arguments. All users can read them, so they contain no secret.
        escalation: the signals that stop it.
        port: the port on which it listens; None for no port.
        host: the address on which it listens.
        node: its Celery node name without the host; None if it is no worker.
        shares_listener: whether it uses a listening socket of the supervisor, passed with the
            options ``--fd`` and ``--ready-fd``. Such a process can be replaced without downtime.
        forks: whether it runs in a fork of the supervisor, on systems where processes fork. After
            a crash such a process runs the code that the supervisor has loaded, unless
            `acoustid restart` has replaced it.
    """

    name: str
    stop_order: StopOrder
    command: tuple[str, ...]
    escalation: Escalation = SHORT_TERM_THEN_KILL
    port: int | None = None
    host: str = LOOPBACK
    node: str | None = None
    shares_listener: bool = False
    forks: bool = False

    def renamed(self) -> "Role":
        """Return the same role with another node name, for a worker that runs beside its old one.

        The names are ``lookup-1``, ``lookup-1.2``, ``lookup-1.3`` and so on.
        """
        if self.node is None:
            return self
        name, _, number = self.node.partition(".")
        node = f"{name}.{int(number or 1) + 1}"
        command = tuple(
            f"{node}@%h" if part == f"{self.node}@%h" else part for part in self.command
        )
        return replace(self, node=node, command=command)

    @property
    def runs_in_fork(self) -> bool:
        """Whether it runs in a fork of the supervisor on this system."""
        return self.forks and forking.IS_SUPPORTED


@dataclass(frozen=True, slots=True)
class Layout:
    """The options of a stack that its roles depend on.

    Attributes:
        host: the address of the API.
        port: the port of the API.
        flower_port: the port of Flower; None for no Flower.
        workers: the number of processes of each scaled worker, such as that of lookups.
        lookup_pool: Celery's pool for lookup workers.
        flower_host: the address of Flower.
        drain_time: seconds for which the front end still serves after SIGTERM.
        uses_nats: whether servers of NATS are configured.
        excerpt_queue: whether lookups of excerpts have a queue and workers of their own.
    """

    host: str
    port: int
    flower_port: int | None
    workers: int
    lookup_pool: str = "solo"
    flower_host: str = LOOPBACK
    drain_time: float = 0.0
    uses_nats: bool = False
    excerpt_queue: bool = False


def roles(layout: Layout) -> list[Role]:
    """Return the roles of a stack in the order in which they start."""
    found = [*_workers(layout), _beat(), _api(layout)]
    if layout.uses_nats:
        found.append(_ingest_nats())
    if layout.flower_port is not None:
        found.append(_flower(layout.flower_host, layout.flower_port))
    return found


def _workers(layout: Layout) -> Iterator[Role]:
    """Yield the workers of the table in `tasks.queues`."""
    table = queues_by_worker(excerpt_queue=layout.excerpt_queue)
    for worker, queues in table.items():
        options = ["-P", worker.pool or layout.lookup_pool]
        if worker.concurrency is not None:
            options += ["-c", str(worker.concurrency)]
        if worker.is_scaled:
            nodes = [f"{worker.name}-{number}" for number in range(1, layout.workers + 1)]
        else:
            nodes = [worker.name]
        for node in nodes:
            yield _worker(node, queues, options)


def _worker(node: str, queues: Sequence[str], options: Sequence[str]) -> Role:
    command = _celery(
        *("worker", "-Q", ",".join(queues), "-n", f"{node}@%h", *options),
        *("--without-gossip", "--without-mingle", "--loglevel", "INFO"),
    )
    return Role(
        f"worker-{node}",
        StopOrder.WORKER,
        command,
        escalation=WARM_SHUTDOWN,
        node=node,
        forks=True,
    )


def _beat() -> Role:
    command = _celery("beat", "--loglevel", "INFO", application=WITHOUT_TASKS)
    return Role("beat", StopOrder.BEAT, command, forks=True)


def _ingest_nats() -> Role:
    # It sends tasks, so it stops before the workers.
    command = _python("cli.main", "ingest", "nats")
    return Role(INGEST_NATS, StopOrder.FRONT_END, command, forks=True)


def _flower(host: str, port: int) -> Role:
    command = _celery("flower", f"--address={host}", f"--port={port}", application=WITHOUT_TASKS)
    return Role("flower", StopOrder.FLOWER, command, port=port, host=host, forks=True)


def _api(layout: Layout) -> Role:
    command = _python("cli.main", "serve", "--host", layout.host, "--port", str(layout.port))
    return Role(
        API,
        StopOrder.FRONT_END,
        command,
        escalation=after_draining(layout.drain_time),
        port=layout.port,
        host=layout.host,
        shares_listener=True,
        forks=True,
    )


def _celery(*arguments: str, application: str = "tasks") -> tuple[str, ...]:
    return _python("celery", "-A", application, *arguments)


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)
