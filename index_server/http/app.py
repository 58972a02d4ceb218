"""The WSGI application of the index server: routes and error handling."""

from typing import Any, Final

import falcon

from http_server.wsgi import Application
from index_server.errors import (
    BadRequestError,
    IndexServerError,
    MethodNotAllowedError,
    NotFoundError,
    client_error,
)
from index_server.http import resources
from index_server.http.direct_searches import DirectSearches
from index_server.http.formats import write_error
from index_server.prometheus_metrics import IndexServerMetrics
from index_server.registry import IndexRegistry

App = falcon.App[falcon.Request, falcon.Response]

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE")


class _Methods:
    """Rejects methods that a resource does not have. Falcon would answer OPTIONS by itself."""

    def process_resource(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        resource: object,
        params: dict[str, Any],
    ) -> None:
        """Raise an error unless the resource has the method."""
        if req.path == "/":
            raise NotFoundError
        # An unknown word in place of an id, such as `_find`, is an unknown path.
        if params.get("document", "").startswith("_"):
            raise NotFoundError
        allowed = [method for method in _METHODS if hasattr(resource, f"on_{method.lower()}")]
        if req.method in allowed:
            return
        resp.set_header("Allow", ", ".join(allowed))
        raise MethodNotAllowedError


def create_app(indexes: IndexRegistry, metrics: IndexServerMetrics) -> Application:
    """Return the application for the indexes of this process."""
    return DirectSearches(indexes, create_framework_app(indexes, metrics))


def create_framework_app(indexes: IndexRegistry, metrics: IndexServerMetrics) -> App:
    """Return the part of the application that can answer every request."""
    app = falcon.App(middleware=_Methods())
    app.req_options.strip_url_path_trailing_slash = True
    app.add_error_handler(Exception, _handle)
    app.add_error_handler(falcon.HTTPError, _handle)
    app.add_route("/_health", resources.HealthResource(indexes))
    app.add_route("/_metrics", resources.MetricsResource(metrics))
    app.add_route("/{index}", resources.IndexResource(indexes))
    app.add_route("/{index}/_health", resources.IndexHealthResource(indexes))
    app.add_route("/{index}/_update", resources.UpdateResource(indexes))
    app.add_route("/{index}/_search", resources.SearchResource(indexes))
    app.add_route("/{index}/_status", resources.StatusResource(indexes))
    app.add_route("/{index}/_snapshot", resources.SnapshotResource(indexes))
    app.add_route("/{index}/{document}", resources.FingerprintResource(indexes))
    return app


def _handle(
    req: falcon.Request,
    resp: falcon.Response,
    error: Exception,
    params: dict[str, Any],  # noqa: ARG001 - Falcon's signature
) -> None:
    """Write an error reply. Log unexpected errors."""
    write_error(req, resp, _client_error(req, error))


def _client_error(req: falcon.Request, error: Exception) -> IndexServerError:
    if isinstance(error, falcon.HTTPNotFound):
        return NotFoundError()
    if isinstance(error, falcon.HTTPError) and error.status_code < 500:
        return BadRequestError()
    return client_error(error, req.method, req.path)
