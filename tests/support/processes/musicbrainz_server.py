"""A replacement of the OAuth endpoint of MusicBrainz that this service uses."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

PATH: Final = "/oauth2/userinfo"


class FakeMusicbrainz:
    """Sends the same reply to every request, and stores the requests.

    Attributes:
        asked: the path and the headers of each request.
        status: the status of the replies.
        body: the body of the replies.
        location: the target of a redirect; empty for none.
        released: until it is set, no request is answered.
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
        """Reply to later requests with these claims."""
        self.status, self.body = 200, json.dumps(claims).encode()

    def tokens(self) -> list[str | None]:
        """Return the ``Authorization`` header of each request."""
        return [headers.get("Authorization") for _, headers in self.asked]


@contextmanager
def running_musicbrainz() -> Iterator[FakeMusicbrainz]:
    """Run the endpoint during the block."""
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
