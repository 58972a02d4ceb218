"""The processes of a stack besides its servers: what runs, in which order it stops."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from signal import Signals

from cli.ending import Escalation
from cli.servers.ports import LOOPBACK

WARM: Escalation = (
    (Signals.SIGTERM, 30.0),  # Celery finishes the tasks it has
    (Signals.SIGQUIT, 12.0),  # and here, after a soft shutdown, gives them back
    (Signals.SIGKILL, 5.0),
)
BRIEF: Escalation = ((Signals.SIGTERM, 15.0), (Signals.SIGKILL, 5.0))

FLOWER_USER = "acoustid"

API_THREADS = 128
"""Requests that the front end has in hand at once.

Those beyond wait where no batch sees them. But the server gives requests to its idle threads in
turn, and with fewer of them it is faster: see decision 5.
"""


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
        environ: what it gets beside the stack's environment.
    """

    name: str
    stage: Stage
    command: tuple[str, ...]
    escalation: Escalation = BRIEF
    port: int | None = None
    host: str = LOOPBACK
    node: str | None = None
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
    for number in range(1, layout.workers + 1):
        name = f"lookup-{number}"
        yield _worker(name, "lookup,background", "-P", layout.lookup_pool)
    yield _worker("submission", "submission", "-P", "prefork", "-c", "1")
    yield _worker("index", "index,maintenance", "-P", "prefork", "-c", "1")


def _worker(node: str, queues: str, *options: str) -> Role:
    command = _celery(
        *("worker", "-Q", queues, "-n", f"{node}@%h", *options),
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
    command = _python(
        *("granian", "--interface", "wsgi", "--factory", "api.wsgi:create_application"),
        *("--host", host, "--port", str(port)),
        *("--workers", "1", "--blocking-threads", str(API_THREADS), "--no-ws", "--http", "1"),
        *("--respawn-failed-workers", "--workers-kill-timeout", "10"),
    )
    return Role("api", Stage.FRONT, command, port=port, host=host)


def _celery(*arguments: str) -> tuple[str, ...]:
    return _python("celery", "-A", "tasks", *arguments)


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)
