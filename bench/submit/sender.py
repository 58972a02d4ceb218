"""Posts each line of a file once, over several connections.

``python -m bench.submit.sender`` runs in a separate process. It prints the time of the first
request, that of the last reply, and the duration of each request.
"""

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local
from typing import Final

import click

from cli.stack.servers.ports import LOOPBACK

TIMEOUT: Final = 60.0  # seconds for one reply
HEADERS: Final = {"Content-Type": "application/x-www-form-urlencoded"}


class SubmissionSender:
    """Posts bodies over one connection per thread."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._thread = local()

    def post(self, body: str) -> float:
        """Post a body. Return the duration in seconds.

        Raises:
            RuntimeError: the status is not 200.
        """
        connection = getattr(self._thread, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=TIMEOUT)
            self._thread.connection = connection
        start = time.perf_counter()
        connection.request("POST", "/v2/submit", body, HEADERS)
        reply = connection.getresponse()
        text = reply.read()
        if reply.status != http.client.OK:
            raise RuntimeError(f"status {reply.status}: {text[:200].decode(errors='replace')}")
        return time.perf_counter() - start


@click.command()
@click.argument("port", type=int)
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--connections", type=click.IntRange(1), required=True)
def main(*, port: int, path: Path, connections: int) -> None:
    """Submit the lines of a file to the API at PORT."""
    lines = path.read_text(encoding="ascii").splitlines()
    sender = SubmissionSender(port)
    started = time.time()
    with ThreadPoolExecutor(connections) as pool:
        seconds = list(pool.map(sender.post, lines))
    click.echo(json.dumps({"started": started, "sent": time.time(), "seconds": seconds}))


if __name__ == "__main__":
    main()
