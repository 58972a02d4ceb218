"""The processes of a stack besides its servers: what runs, in which order it stops."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from signal import Signals

from cli.stack.servers.ports import LOOPBACK
from cli.stack.stopping import Escalation
from tasks.queues import queues_by_worker

WARM: Escalation = (
    (Signals.SIGTERM, 30.0),  # Celery finishes the tasks it has
    (Signals.SIGQUIT, 12.0),  # and here, after a soft shutdown, gives them back
    (Signals.SIGKILL, 5.0),
)
BRIEF: Escalation = ((Signals.SIGTERM, 15.0), (Signals.SIGKILL, 5.0))

FLOWER_USER = "acoustid"
API = "api"
"""The role of the front end."""


class Stage(IntEnum):
    """The order in which processes end: who gives work, who does it, who keeps it."""

    FRONT = 0
    CLOCK = 1
    MONITOR = 2
    WORKER = 3
    SERVER = 4


@dataclass(frozen=True, slots=True)
class Role:
    """One process to run.

    Attributes:
        command: its arguments; none of them is a secret, since any user can read them.
        port: where it listens, None for nowhere.
        host: the address on which it does.
        node: its Celery node name without the host, for a worker.
        shares_listener: whether it serves a listening socket of the supervisor's, which the options
            ``--fd`` and ``--ready-fd`` hand over. It can be replaced without a refused connection.
        environ: what it gets beside the stack's environment.
    """

    name: str
    stage: Stage
    command: tuple[str, ...]
    escalation: Escalation = BRIEF
    port: int | None = None
    host: str = LOOPBACK
    node: str | None = None
    shares_listener: bool = False
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Layout:
    """What an `acoustid up` is asked to run.

    Attributes:
        flower_port: None for no Flower.
        workers: number of lookup workers.
        lookup_pool: Celery's pool for them.
    """

    host: str
    port: int
    flower_port: int | None
    workers: int
    lookup_pool: str = "solo"
    flower_password: str = field(default="", repr=False)


def roles(layout: Layout) -> list[Role]:
    """Return every process of a stack but its servers, in the order to start them."""
    found = [*_workers(layout), _beat(), _api(layout.host, layout.port)]
    if layout.flower_port is not None:
        found.append(_flower(layout.flower_port, layout.flower_password))
    return found


def _workers(layout: Layout) -> Iterator[Role]:
    """Yield the workers of the table in `tasks.queues`."""
    for worker, queues in queues_by_worker().items():
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
    return Role(f"worker-{node}", Stage.WORKER, command, escalation=WARM, node=node)


def _beat() -> Role:
    return Role("beat", Stage.CLOCK, _celery("beat", "--loglevel", "INFO"))


def _flower(port: int, password: str) -> Role:
    return Role(
        "flower",
        Stage.MONITOR,
        _celery("flower", f"--address={LOOPBACK}", f"--port={port}"),
        port=port,
        environ={"FLOWER_BASIC_AUTH": f"{FLOWER_USER}:{password}"},
    )


def _api(host: str, port: int) -> Role:
    command = _python("cli.main", "serve", "--host", host, "--port", str(port))
    return Role(API, Stage.FRONT, command, port=port, host=host, shares_listener=True)


def _celery(*arguments: str) -> tuple[str, ...]:
    return _python("celery", "-A", "tasks", *arguments)


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)
