"""``acoustid ready``, hidden: waits until workers and API are ready. `acoustid up` runs it."""

import http.client
import json
import time
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import click

from cli.errors import StackError

TIMEOUT: Final = 120.0

LOOKUPS_TIMEOUT: Final = 30.0
"""Seconds to wait for lookups. An index that is rebuilt may take longer."""


@click.command(hidden=True)
@click.option("--api", required=True, help="Address of the API, such as http://127.0.0.1:5000.")
@click.option("--node", "nodes", multiple=True, help="A worker's name without its host.")
@click.option("--timeout", default=TIMEOUT, show_default=True, help="Seconds to wait.")
def ready(api: str, nodes: tuple[str, ...], timeout: float) -> None:
    """Wait until every worker answers a ping, the API serves requests, and lookups are answered.

    If only lookups are not answered after a while, print the reason and succeed: the stack must run
    for its index to be filled.
    """
    deadline = time.monotonic() + timeout
    wait_for_workers(set(nodes), deadline)
    wait_for_api(f"{api}/_health", deadline)
    try:
        wait_for_api(f"{api}/_health_ro", min(deadline, time.monotonic() + LOOKUPS_TIMEOUT))
    except StackError as error:
        click.echo(f"lookups are not answered yet: {error.message}")


def wait_for_workers(nodes: set[str], deadline: float) -> None:
    """Wait until the workers with these names have answered a ping.

    Raises:
        StackError: a worker has not answered before the deadline, a `time.monotonic` value.
    """
    missing = set(nodes)
    while missing:
        missing -= _answering_nodes()
        if missing and time.monotonic() > deadline:
            raise StackError(f"no answer from the workers {', '.join(sorted(missing))}")


def wait_for_api(url: str, deadline: float) -> None:
    """Wait until a health check succeeds.

    Raises:
        StackError: it has not succeeded before the deadline, a `time.monotonic` value; the text
            quotes the reply.
    """
    while (problem := _health_problem(url)) is not None:
        if time.monotonic() > deadline:
            raise StackError(f"{url} reports a problem: {problem}")
        time.sleep(0.1)


def _answering_nodes() -> set[str]:
    from tasks.celery import app  # noqa: PLC0415 - the import reads the configuration

    replies = app.control.ping(timeout=0.5)
    return {name.split("@")[0] for reply in replies for name in reply}


def _health_problem(url: str) -> str | None:
    try:
        with urlopen(url, timeout=10) as answer:  # noqa: S310 - the address of the API
            json.load(answer)
    except HTTPError as error:
        return f"{error.code} {error.read(2000).decode(errors='replace')}"
    except (URLError, OSError, http.client.HTTPException, ValueError) as error:
        return str(error)
    return None
