"""``/_health``, ``/_health_ro``, ``/_health_docker``: may this process be sent requests?"""

import falcon

from api.exchange import exchange_of, write_reply
from api.health_checks import HealthChecks, Name
from api.serialisation import JSON


class Health:
    """One health path: JSON, 503 where a check failed, which is named and no more.

    Args:
        name: what metrics call it.
        checks: runs them.
        wanted: those that must succeed.
    """

    def __init__(self, name: str, checks: HealthChecks, wanted: tuple[Name, ...]) -> None:
        self.name = name
        self._checks = checks
        self._wanted = wanted

    def on_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Run the checks."""
        exchange_of(req).style = JSON
        found = self._checks.run(self._wanted)
        healthy = all(state == "ok" for state in found.values())
        body = {"status": "ok" if healthy else "failed", "checks": found}
        write_reply(resp, JSON, body, 200 if healthy else 503)

    on_options = on_request
