"""A WSGI application for tests of the HTTP server. This module runs it as a process.

Arguments: a port, limits as JSON, and the drain time in seconds.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from http_server.limits import Limits
from http_server.listening import listen
from http_server.replies import json_reply
from http_server.server import ServerOptions, run

draining: list[bool] = []
LARGE = 32 * 2**20
THREADS = 8


def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """Reply as the path demands; by default with the received request."""
    path = environ["PATH_INFO"]
    if path == "/sleep":
        time.sleep(float(environ["QUERY_STRING"]))
    if path == "/large":
        start("200 OK", [("Content-Type", "application/octet-stream")])
        return iter_large()
    if path == "/draining":
        start("503 Service Unavailable" if draining else "200 OK", [("Content-Length", "0")])
        return [b""]
    body = environ["wsgi.input"].read()
    seen = {name: value for name, value in environ.items() if isinstance(value, str)}
    reply = json.dumps({"size": len(body), "environ": seen}).encode()
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(reply)))])
    return [reply]


def iter_large() -> Iterator[bytes]:
    """Yield `LARGE` bytes."""
    for _ in range(LARGE // 2**20):
        yield b"x" * 2**20


def describe(status: int, message: str) -> bytes:
    """Return the body of an error."""
    return json.dumps({"status": status, "message": message}).encode()


if __name__ == "__main__":
    options = ServerOptions(
        Limits(**json.loads(sys.argv[2])),
        THREADS,
        describe,
        fixed={"/alive": json_reply(200, b"{}")},
        drain_time=float(sys.argv[3]),
        on_drain=lambda: draining.append(True),
    )
    run(application, listen("127.0.0.1", int(sys.argv[1])), options)
