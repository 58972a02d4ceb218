"""Creates the WSGI application from the routes, the middleware and the error handler."""

import math
from typing import Any, Final

import falcon
import structlog
from redis.exceptions import RedisError

from api.front_end import FrontEnd
from api.health.endpoint import HEALTH_PATHS, LIVENESS, HealthEndpoint
from api.home_page import HomePage
from api.http.endpoint import request_of, write_reply
from api.http.errors import (
    ApiError,
    InternalError,
    InvalidBodyError,
    MethodNotAllowedError,
    NotFoundError,
    ServiceUnavailableError,
)
from api.http.middleware import METHODS, RequestMiddleware, is_method
from api.openapi.page import ASSETS, DOCS, OPENAPI, DocsAsset, DocsPage, OpenApiResource
from api.routes import ROUTES, V1_ROUTES
from pipeline.runtime.databases import DATABASE_UNREACHABLE
from pipeline.runtime.links.guarded_pool import DatabaseAwayError
from pipeline.runtime.statsd_metrics import Metrics

UNAVAILABLE: Final = (*DATABASE_UNREACHABLE, RedisError)
"""Exceptions for which the client gets `ServiceUnavailableError`."""

logger = structlog.get_logger("acoustid.api.app")


def create_app(front_end: FrontEnd) -> falcon.App[falcon.Request, falcon.Response]:
    """Return the application, whose endpoints use the resources of this process."""
    middleware = RequestMiddleware(
        trusted_proxies=front_end.settings.api.trusted_proxies,
        xml_paths=V1_ROUTES,
        rate_limit_headers=front_end.access.headers_without_counting,
        metrics=front_end.metrics,
    )
    app = falcon.App(middleware=[middleware])
    app.router_options.default_to_on_request = True  # one responder for all methods
    errors = _ErrorHandler(front_end.metrics)
    app.add_error_handler(Exception, errors.handle)
    app.add_error_handler(falcon.HTTPError, errors.handle)
    for path, make_endpoint in {**ROUTES, **V1_ROUTES}.items():
        app.add_route(path, make_endpoint(front_end))
    app.add_route("/", HomePage(front_end.settings))
    app.add_route(OPENAPI, OpenApiResource())
    app.add_route(DOCS, DocsPage())
    app.add_route(f"{ASSETS}/{{file}}", DocsAsset())
    for path in (*HEALTH_PATHS, LIVENESS):
        app.add_route(path, HealthEndpoint(path, front_end.health))
    return app


class _ErrorHandler:
    """Writes the reply to a request that raised an exception, in the requested format."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def handle(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        error: Exception,
        params: dict[str, Any],  # noqa: ARG002 - Falcon's signature
    ) -> None:
        """Write the reply and count the error; log unexpected exceptions."""
        shown = self._api_error(req, error)
        self._metrics.handled_error(shown.code)
        write_reply(resp, request_of(req).style, shown.body(), shown.status)
        resp.set_headers(shown.headers)

    def _api_error(self, req: falcon.Request, error: Exception) -> ApiError:
        if isinstance(error, ApiError):
            return error
        if isinstance(error, falcon.HTTPError) and error.status_code < 500:
            return _client_error(req, error)
        self._metrics.unhandled_error()
        if isinstance(error, UNAVAILABLE):
            logger.error(
                "a database or Redis is unreachable",
                library=type(error).__module__,
                error=str(error),
            )
            return ServiceUnavailableError(_retry_after(error))
        logger.error("unhandled exception", endpoint=request_of(req).endpoint, exc_info=error)
        return InternalError()


def _retry_after(error: Exception) -> int:
    """Return the seconds after which the next attempt of a server that is away has been made."""
    return math.ceil(error.retry_after) + 1 if isinstance(error, DatabaseAwayError) else 1


def _client_error(req: falcon.Request, error: falcon.HTTPError) -> ApiError:
    """Return the error for a request that Falcon refuses."""
    if isinstance(error, falcon.HTTPNotFound):
        if not is_method(req.method):
            return MethodNotAllowedError(METHODS)
        return NotFoundError("the path does not exist; the web service is under /v2/")
    if isinstance(error, falcon.HTTPMethodNotAllowed):
        return MethodNotAllowedError(dict(error.headers or {})["Allow"])
    return InvalidBodyError(error.title or "it cannot be parsed")
