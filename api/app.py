"""The WSGI application: routes, and what becomes of errors."""

from typing import Any, Final

import falcon
import sqlalchemy.exc
import structlog
from redis.exceptions import RedisError

from api.health import Health
from api.http.errors import (
    ApiError,
    InternalError,
    InvalidBodyError,
    MethodNotAllowedError,
    NotFoundError,
    ServiceUnavailableError,
)
from api.http.exchange import exchange_of, write_reply
from api.http.middleware import METHODS, Frame, is_method
from api.openapi.page import ASSETS, DocsAsset, DocsPage, OpenApiResource
from api.routes import ROUTES, V1_ROUTES
from api.services import Services

AWAY: Final = (
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
    RedisError,
)
"""What is raised when a database or Redis is away, or has no connection free."""

logger = structlog.get_logger("acoustid.api.app")


def create_app(services: Services) -> falcon.App[falcon.Request, falcon.Response]:
    """Return the application on a process's resources."""
    app = falcon.App(middleware=[Frame(services)])
    app.router_options.default_to_on_request = True  # one responder for all methods
    app.add_error_handler(Exception, _Errors(services).handle)
    app.add_error_handler(falcon.HTTPError, _Errors(services).handle)
    for path, endpoint in {**ROUTES, **V1_ROUTES}.items():
        app.add_route(path, endpoint(services))
    app.add_route("/v2/openapi.json", OpenApiResource())
    app.add_route("/docs", DocsPage())
    app.add_route(f"{ASSETS}/{{file}}", DocsAsset())
    _add_health(app, services)
    return app


def _add_health(app: falcon.App[falcon.Request, falcon.Response], services: Services) -> None:
    checks = services.health
    app.add_route("/_health", Health("health", checks, ("database", "redis", "index", "worker")))
    app.add_route("/_health_ro", Health("health_ro", checks, ("database_ro", "redis")))
    app.add_route("/_health_docker", Health("health_docker", checks, ()))


class _Errors:
    """Turns every exception into a reply in the client's own format."""

    def __init__(self, services: Services) -> None:
        self._metrics = services.metrics

    def handle(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        error: Exception,
        params: dict[str, Any],  # noqa: ARG002 - Falcon's signature
    ) -> None:
        """Write the reply, count the error, and log it where it is ours."""
        shown = self._shown(req, error)
        self._metrics.handled_error(shown.code)
        write_reply(resp, exchange_of(req).style, shown.body(), shown.status)
        resp.set_headers(shown.headers)

    def _shown(self, req: falcon.Request, error: Exception) -> ApiError:
        if isinstance(error, ApiError):
            return error
        if isinstance(error, falcon.HTTPNotFound):
            if not is_method(req.method):
                return MethodNotAllowedError(METHODS)
            return NotFoundError("there is no such path here; the web service is under /v2/")
        if isinstance(error, falcon.HTTPError) and error.status_code < 500:
            return InvalidBodyError(f"{error.title or 'it cannot be understood'}")
        self._metrics.unhandled_error()
        if isinstance(error, AWAY):
            logger.error("a server is away", server=type(error).__module__, error=str(error))
            return ServiceUnavailableError()
        logger.error("unhandled exception", endpoint=exchange_of(req).endpoint, exc_info=error)
        return InternalError()
