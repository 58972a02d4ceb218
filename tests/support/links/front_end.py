"""A front end whose links to PostgreSQL and Redis a test can break, and a client of it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests

from cli.stack.servers.ports import LOOPBACK
from pipeline.catalog.app import accounts
from pipeline.catalog.app.keys.demo_application import ensure_demo
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.clients.web_client import GID, WORD
from tests.support.processes.answering_front_end import answering_front_end

DEADLINE: Final = 2.0
"""The time limit of each request, in seconds."""

SLACK: Final = 1.0
"""Seconds by which a reply may be late."""

THREADS: Final = 8
"""Threads of the front end for lookups, and for other requests."""

RECOVERY: Final = 15.0
"""Seconds after a fault in which the front end must work again."""

SECTIONS: Final = ("database", "database_fingerprint", "database_ingest", "database_musicbrainz")

Address = tuple[str, int]


@dataclass
class FrontEnd:
    """A client of a front end.

    Attributes:
        address: its address.
        keys: the parameters of a submission that name the keys.
        replies: path, status and seconds of all requests.
    """

    address: str
    keys: dict[str, str]
    replies: list[tuple[str, int, float]] = field(default_factory=list)

    def get(self, path: str, **parameters: Any) -> int:
        """Return the status of a reply."""
        begun = time.monotonic()
        reply = requests.get(f"{self.address}{path}", parameters, timeout=60)
        self.replies.append((path, reply.status_code, time.monotonic() - begun))
        if reply.status_code == 503 and path.startswith("/v2/"):
            assert int(reply.headers["Retry-After"]) >= 1
        return reply.status_code

    def status(self) -> int:
        """Ask for the state of a submission."""
        return self.get("/v2/submission_status", client=self.keys["client"], id=1)

    def submit(self) -> int:
        """Send a submission."""
        return self.get("/v2/submit", **self.keys, fingerprint=WORD, duration=3, track="x")

    def lookup(self) -> int:
        """Send a lookup with a known key."""
        return self.get("/v2/lookup", client=self.keys["client"], trackid=GID)

    def require_in_time(self) -> None:
        """Fail if a reply was later than its deadline and the slack, or a lookup took 1 s."""
        late = [each for each in self.replies if each[2] > DEADLINE + SLACK]
        assert not late
        assert all(took < 1 for path, _, took in self.replies if path == "/v2/lookup"), self.replies


@contextmanager
def front_end_behind(
    settings: Settings,
    folder: Path,
    postgres: Address,
    redis: Address | None = None,
    *,
    host: str = LOOPBACK,
    within: Sequence[str] = (),
) -> Iterator[FrontEnd]:
    """Run a front end with few threads and a short time limit; yield a client of it.

    Args:
        settings: settings of the servers themselves.
        folder: the folder for its configuration and its log.
        postgres: host and port of the link to PostgreSQL.
        redis: the same of Redis; None for the server itself.
        host: see `answering_front_end`.
        within: see `answering_front_end`.
    """
    databases = Databases(settings)
    with databases.engine("app").begin() as connection:
        user = ensure_demo(connection).user_key
        key = accounts.create_application(connection, "links").key
    databases.dispose()
    moved = {"host": postgres[0], "port": postgres[1], "sslmode": "disable"}
    names = [name + suffix for name in SECTIONS for suffix in ("", "_ro")]
    update: dict[str, Any] = {
        name: getattr(settings, name).model_copy(update=moved) for name in names
    }
    if redis is not None:
        update["redis"] = settings.redis.model_copy(update={"host": redis[0], "port": redis[1]})
    options = {
        "ACOUSTID_API_LOOKUP_TIMEOUT": str(DEADLINE),
        "ACOUSTID_API_SUBMIT_TIMEOUT": str(DEADLINE),
        "ACOUSTID_API_ANSWER_CACHE": "false",
        "ACOUSTID_HTTP_THREADS": str(THREADS),
        "ACOUSTID_CLUSTER_RATE_LIMITER_IP_LIMIT": "0",
        "ACOUSTID_CLUSTER_RATE_LIMITER_APP_LIMIT": "0",
        "ACOUSTID_CLUSTER_RATE_LIMITER_GLOBAL_LIMIT": "0",
    }
    own = settings.model_copy(update=update)
    with answering_front_end(own, folder, options, host=host, within=within) as address:
        yield FrontEnd(address, {"client": key, "user": user})
