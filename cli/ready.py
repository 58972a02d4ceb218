"""``acoustid ready``: wait until a stack answers; `acoustid up` runs it."""

import http.client
import json
import time
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import click

from cli.errors import StackError

TIMEOUT = 120.0


@click.command(hidden=True)
@click.option("--api", required=True, help="Address of the API, such as http://127.0.0.1:5000.")
@click.option("--node", "nodes", multiple=True, help="A worker's name without its host.")
@click.option("--timeout", default=TIMEOUT, show_default=True, help="Seconds to wait at most.")
def ready(api: str, nodes: tuple[str, ...], timeout: float) -> None:
    """Wait until every worker has answered a ping and the API says that it is healthy."""
    deadline = time.monotonic() + timeout
    wait_for_workers(set(nodes), deadline)
    wait_for_api(f"{api}/_health", deadline)


def wait_for_workers(nodes: set[str], deadline: float) -> None:
    """Wait until workers of these names have answered a ping.

    Raises:
        StackError: some have not by the deadline, a `time.monotonic`.
    """
    missing = set(nodes)
    while missing:
        missing -= _answering_nodes()
        if missing and time.monotonic() > deadline:
            raise StackError(f"no answer from the workers {', '.join(sorted(missing))}")


def wait_for_api(url: str, deadline: float) -> None:
    """Wait until a health check succeeds.

    Raises:
        StackError: it has not by the deadline, a `time.monotonic`; the text quotes the answer.
    """
    while (problem := _health_problem(url)) is not None:
        if time.monotonic() > deadline:
            raise StackError(f"{url} does not say ok: {problem}")
        time.sleep(0.1)


def _answering_nodes() -> set[str]:
    from tasks.celery import app  # noqa: PLC0415 - it reads the configuration

    replies = app.control.ping(timeout=0.5)
    return {name.split("@")[0] for reply in replies for name in reply}


def _health_problem(url: str) -> str | None:
    try:
        with urlopen(url, timeout=10) as answer:  # noqa: S310 - the API's own address
            json.load(answer)
    except HTTPError as error:
        return f"{error.code} {error.read(2000).decode(errors='replace')}"
    except (URLError, OSError, http.client.HTTPException, ValueError) as error:
        return str(error)
    return None
