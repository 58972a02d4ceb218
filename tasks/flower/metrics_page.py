"""Flower's page ``/metrics``, which shows names of workers and tasks, with a login."""

from flower.urls import handlers
from flower.views.monitor import Metrics
from tornado.web import authenticated


class MetricsWithLogin(Metrics):
    """Flower's handler of ``/metrics``. It replies 401 without a login, like the other pages."""

    @authenticated
    async def get(self) -> None:
        """Send the metrics."""
        await super().get()


def require_login_for_metrics() -> None:
    """Replace Flower's handler: the first one that matches a path is used."""
    handlers.insert(0, (r"/metrics", MetricsWithLogin))
