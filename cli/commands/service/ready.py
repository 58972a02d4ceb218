"""``acoustid ready``, hidden: waits until workers and API are ready. `acoustid up` runs it."""

import http.client
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import click

from cli.errors import StackError
from cli.stack.effective_settings import read_settings
from pipeline.lookups.condition import INDEX_ADVICE, Condition
from pipeline.runtime.redis_client import connect
from tasks.redis_state import heartbeats

FAULT_TIMEOUT: Final = 120.0
"""Seconds after which an unchanged fault of the health check is taken for a lasting one."""

LOOKUPS_TIMEOUT: Final = 30.0
"""The same for lookups. An index that is rebuilt may take longer."""

LASTING: Final = (Condition.FOREIGN, Condition.DAMAGED)
"""Conditions of an index that do not end without the operator."""

PROGRESS_INTERVAL: Final = 2.0
"""Seconds between two lines about what the command waits for."""

POLL_INTERVAL: Final = 0.05  # seconds


class Health(NamedTuple):
    """The reply of a health check.

    Attributes:
        problem: the fault as a text; empty if the check succeeded.
        has_replied: whether the API has replied. It may still be starting.
    """

    problem: str
    has_replied: bool

    def is_lasting(self) -> bool:
        """Return whether the fault names a condition that does not end without the operator."""
        return any(str(INDEX_ADVICE[condition]) in self.problem for condition in LASTING)


class Progress:
    """Prints what the command waits for, at intervals."""

    def __init__(self) -> None:
        self._next = 0.0

    def begin(self, line: str) -> None:
        """Print a line at once, since a new wait begins."""
        self._next = 0.0
        self.tell(line)

    def tell(self, line: str) -> None:
        """Print a line, if the time for it has come."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + PROGRESS_INTERVAL
            click.echo(line)


@click.command(hidden=True)
@click.option("--api", required=True, help="Address of the API, such as http://127.0.0.1:5000.")
@click.option("--node", "nodes", multiple=True, help="A worker's name without its host.")
def ready(api: str, nodes: tuple[str, ...]) -> None:
    """Wait until every worker sends heartbeats, the API serves requests, and lookups are answered.

    The wait for processes has no limit: on a busy machine they take minutes to start. If lookups
    are not answered for a reason that remains, print it and succeed: the stack must run for its
    index to be filled.
    """
    started = time.time()
    progress = Progress()
    progress.begin("waiting for the workers")
    with connect(read_settings().redis) as connection:
        wait_for_workers(nodes, partial(heartbeats.alive_since, connection, started), progress)
    progress.begin("waiting for the API")
    wait_for_api(f"{api}/_health", FAULT_TIMEOUT, progress)
    try:
        wait_for_api(f"{api}/_health_ro", LOOKUPS_TIMEOUT, progress)
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
            progress.tell(f"waiting for the workers {', '.join(sorted(missing))}")
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
    while (health := _health(url)).problem:
        if health.problem != last or not health.has_replied:
            last, deadline = health.problem, time.monotonic() + timeout
        if health.is_lasting() or time.monotonic() > deadline:
            raise StackError(f"{url} reports a problem: {health.problem}")
        progress.tell(f"waiting for the API: {health.problem}")
        time.sleep(POLL_INTERVAL)


def _health(url: str) -> Health:
    try:
        with urlopen(url, timeout=10) as answer:  # noqa: S310 - the address of the API
            json.load(answer)
    except HTTPError as error:
        return Health(_fault(error.code, error.read(4000)), has_replied=True)
    except (URLError, OSError, http.client.HTTPException, ValueError) as error:
        return Health(f"no reply ({error})", has_replied=False)
    return Health("", has_replied=True)


def _fault(status: int, body: bytes) -> str:
    """Return the faults that a reply names, else the reply."""
    try:
        faults = json.loads(body)["faults"]
        if faults:
            return "; ".join(str(each) for each in faults)
    except (ValueError, KeyError, TypeError):
        pass
    return f"{status} {body.decode(errors='replace')}"
