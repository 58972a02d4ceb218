"""MusicBrainz's OAuth endpoint, as far as this service asks it, on a port of its own."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

PATH: Final = "/oauth2/userinfo"


class FakeMusicbrainz:
    """Answers every request alike, and notes it.

    Attributes:
        asked: path and headers of what came.
        status: of the answers.
        body: of the answers.
        location: where a redirect leads.
        released: while it is not set, nobody is answered.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.status = 200
        self.body = b"{}"
        self.location = ""
        self.released = threading.Event()
        self.released.set()
        self.port = 0

    @property
    def url(self) -> str:
        """The address of the endpoint."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    def knows(self, **claims: Any) -> None:
        """Answer with claims from now on."""
        self.status, self.body = 200, json.dumps(claims).encode()

    def tokens(self) -> list[str | None]:
        """Return what each request said in its header."""
        return [headers.get("Authorization") for _, headers in self.asked]


@contextmanager
def running_musicbrainz() -> Iterator[FakeMusicbrainz]:
    """Run it; end it at the exit."""
    fake = FakeMusicbrainz()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fake.asked.append((self.path, dict(self.headers)))
            fake.released.wait(30)
            self.send_response(fake.status)
            if fake.location:
                self.send_header("Location", fake.location)
            self.send_header("Content-Length", str(len(fake.body)))
            self.end_headers()
            self.wfile.write(fake.body)

        def log_message(self, *args: object) -> None:
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield fake
        finally:
            fake.released.set()
            server.shutdown()
            thread.join()
