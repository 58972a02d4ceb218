"""``acoustid ready``, hidden: waits until workers and API are ready. `acoustid up` runs it."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import click

from cli.errors import StackError
from cli.progress import Progress
from cli.stack.effective_settings import read_settings
from cli.stack.front_end_health import ALL, LOOKUPS, ask
from pipeline.lookups.condition import INDEX_ADVICE, Condition
from pipeline.runtime.redis_client import connect
from tasks.clocks.shared_clock import redis_time
from tasks.redis_state import heartbeats

FAULT_TIMEOUT: Final = 120.0
"""Seconds after which an unchanged fault of the health check is taken for a lasting one."""

LOOKUPS_TIMEOUT: Final = 30.0
"""The same for lookups. An index that is rebuilt may take longer."""

LASTING: Final = (Condition.FOREIGN, Condition.DAMAGED)
"""Conditions of an index that do not end without the operator."""

HEALTH_TIMEOUT: Final = 10.0
"""Seconds to wait for a reply of the API. Its first one may be slow on a busy machine."""

POLL_INTERVAL: Final = 0.05  # seconds


@click.command(hidden=True)
@click.option("--api", help="Address of the API, such as http://127.0.0.1:5000.")
@click.option("--node", "nodes", multiple=True, help="A worker's name without its host.")
def ready(api: str | None, nodes: tuple[str, ...]) -> None:
    """Wait until every worker sends heartbeats, the API serves requests, and lookups are answered.

    Without `--api` the command waits for the workers only.

    The wait for processes has no limit: on a busy machine they take minutes to start. If lookups
    are not answered for a reason that remains, print it and succeed: the stack must run for its
    index to be filled.
    """
    progress = Progress(click.echo)
    progress.begin("waiting for the workers")
    if nodes:  # otherwise Redis is not needed
        with connect(read_settings().redis) as connection:
            started = redis_time(connection)
            wait_for_workers(nodes, partial(heartbeats.alive_since, connection, started), progress)
    if api is not None:
        _wait_until_served(api, progress)


def _wait_until_served(api: str, progress: Progress) -> None:
    progress.begin("waiting for the API")
    wait_for_api(f"{api}{ALL}", FAULT_TIMEOUT, progress)
    try:
        wait_for_api(f"{api}{LOOKUPS}", LOOKUPS_TIMEOUT, progress)
    except StackError as error:
        click.echo(f"lookups are not answered yet: {error.message}")


def wait_for_workers(
    nodes: Sequence[str], find_alive: Callable[[], Sequence[str]], progress: Progress
) -> None:
    """Wait until workers have sent a heartbeat.

    Args:
        nodes: their names without the host.
        find_alive: returns the names, with their hosts, of workers that have sent a heartbeat.
        progress: prints the names of those that have not.
    """
    missing = set(nodes)
    while missing:
        missing -= {name.split("@")[0] for name in find_alive()}
        if missing:
            names = ", ".join(sorted(missing))
            progress.tell(partial("waiting for the workers {}".format, names))
            time.sleep(POLL_INTERVAL)


def wait_for_api(url: str, timeout: float, progress: Progress) -> None:
    """Wait until a health check succeeds, for as long as the API does not reply or faults change.

    Args:
        url: the address of the health check.
        timeout: seconds after which an unchanged fault is an error.
        progress: prints the fault.

    Raises:
        StackError: the fault has not changed for that time, or does not end without the operator.
            The text quotes the reply.
    """
    last = ""
    deadline = time.monotonic() + timeout
    while problem := (reply := ask(url, HEALTH_TIMEOUT)).problem:
        if problem != last or not reply.has_replied:
            last, deadline = problem, time.monotonic() + timeout
        if _is_lasting(problem) or time.monotonic() > deadline:
            raise StackError(f"{url} reports a problem: {problem}")
        progress.tell(partial("waiting for the API: {}".format, problem))
        time.sleep(POLL_INTERVAL)


def _is_lasting(problem: str) -> bool:
    """Return whether a fault names a condition that does not end without the operator."""
    return any(str(INDEX_ADVICE[condition]) in problem for condition in LASTING)
