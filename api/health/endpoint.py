"""The health checks of a front end, and the endpoints of their paths.

In ``acoustid serve`` the HTTP server replies to ``/_health_docker`` itself (`api.server`).
"""

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import falcon
import redis

from api.access.maintenance import MaintenanceMode
from api.health.grades import STOPPING, Grade, Health, grade
from api.health.probe_runner import DEADLINE, SHARED, ProbeRunner
from api.health.probes import server_probes
from api.health.table import ALL, LOOKUPS, Service, checks_of
from api.http.endpoint import request_of, write_reply
from api.http.serialisation import JSON
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tasks.redis_state.heartbeats import ALIVE_SECONDS


class HealthPath(NamedTuple):
    """The checks of a path.

    Attributes:
        services: if this front end serves none of these, the grade is ``error``.
        read_only: whether the path has only the checks of ``/_health_ro``.
    """

    services: frozenset[Service]
    read_only: bool


HEALTH_PATHS: Final[Mapping[str, HealthPath]] = MappingProxyType(
    {
        "/_health": HealthPath(ALL, read_only=False),
        "/_health_ro": HealthPath(LOOKUPS, read_only=True),
    }
)
"""The paths with checks."""

LIVENESS: Final = "/_health_docker"
"""The path that only shows that the process replies."""

ALIVE: Final = Health(Grade.OK, {}, ())
"""The reply of `LIVENESS`."""


class HealthChecks:
    """The health of one front-end process. Thread-safe.

    Args:
        settings: the settings of the front end.
        databases: the four databases and their read-only replicas.
        client: a Redis client with a short timeout.
        maintenance: the state of the maintenance mode.
        deadline: maximum time in seconds of a check.
        shared: seconds for which the result of a check is used again.
        beat_wait: seconds in which a beat that has published no task is no fault yet.
    """

    def __init__(
        self,
        settings: Settings,
        databases: Databases,
        client: redis.Redis,
        maintenance: MaintenanceMode,
        *,
        deadline: float = DEADLINE,
        shared: float = SHARED,
        beat_wait: float = ALIVE_SECONDS,
    ) -> None:
        self._settings = settings
        self._probes = ProbeRunner(
            server_probes(
                databases,
                client,
                maintenance,
                deadline,
                beat_expected=time.monotonic() + beat_wait,
                musicbrainz_max_lag=settings.musicbrainz.max_lag,
            ),
            deadline,
            shared,
        )
        self._is_stopping = False

    def check(self, path: HealthPath) -> Health:
        """Run the checks of a path. While the front end is stopping, run none."""
        if self._is_stopping:
            return STOPPING
        checks = tuple(checks_of(self._settings, read_only=path.read_only))
        outcomes = self._probes.run({check.probe for check in checks})
        return grade(checks, outcomes, path.services)

    def stop(self) -> None:
        """Report from now on that the front end is stopping."""
        self._is_stopping = True

    def close(self) -> None:
        """Refuse further checks."""
        self._probes.close()


class HealthEndpoint:
    """The endpoint of a health path. It replies in JSON.

    The reply has no exceptions, since it is public.

    Args:
        path: the path.
        checks: the health of the front end.
    """

    def __init__(self, path: str, checks: HealthChecks) -> None:
        self.name = path.removeprefix("/_")
        self._path = HEALTH_PATHS.get(path)
        self._checks = checks

    def on_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Run the checks and write the reply."""
        request_of(req).style = JSON
        health = ALIVE if self._path is None else self._checks.check(self._path)
        write_reply(resp, JSON, health.body(), health.status)

    on_options = on_request
