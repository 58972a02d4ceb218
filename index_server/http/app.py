"""The WSGI application of the index server: paths, and what becomes of errors."""

from typing import Any, Final

import falcon
import structlog

from index_server.errors import (
    BadRequestError,
    IndexServerError,
    InternalError,
    MethodNotAllowedError,
    NotFoundError,
)
from index_server.http import resources
from index_server.http.exchange import write_error
from index_server.indexes import Indexes
from index_server.metrics import Metrics

logger = structlog.get_logger("acoustid.fpindex.app")

App = falcon.App[falcon.Request, falcon.Response]

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE")


class _Methods:
    """Refuses what no resource is there for; Falcon would answer OPTIONS of its own accord."""

    def process_resource(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        resource: object,
        params: dict[str, Any],
    ) -> None:
        """Let a request pass to its resource, or tell which methods that has."""
        if req.path == "/":
            raise NotFoundError
        allowed = [method for method in _METHODS if hasattr(resource, f"on_{method.lower()}")]
        if req.method in allowed:
            return
        # Where an id would be, an unknown word like `_search` is a path of its own.
        if params.get("document", "").startswith("_"):
            raise NotFoundError
        resp.set_header("Allow", ", ".join(allowed))
        raise MethodNotAllowedError


def create_app(indexes: Indexes, metrics: Metrics) -> App:
    """Return the application on the indexes of this process."""
    app = falcon.App(middleware=_Methods())
    app.add_error_handler(Exception, _handle)
    app.add_error_handler(falcon.HTTPError, _handle)
    app.add_route("/_health", resources.Health())
    app.add_route("/_metrics", resources.MetricsText(metrics))
    app.add_route("/{index}", resources.Index(indexes))
    app.add_route("/{index}/_health", resources.IndexHealth(indexes))
    app.add_route("/{index}/_update", resources.Updates(indexes))
    app.add_route("/{index}/_search", resources.Searches(indexes))
    app.add_route("/{index}/_status", resources.Status(indexes))
    app.add_route("/{index}/_snapshot", resources.Snapshot(indexes))
    app.add_route("/{index}/{document}", resources.Fingerprint(indexes))
    return app


def _handle(
    req: falcon.Request,
    resp: falcon.Response,
    error: Exception,
    params: dict[str, Any],  # noqa: ARG001 - Falcon's signature
) -> None:
    """Write the error that a client is told; log it where it is ours."""
    write_error(req, resp, _shown(req, error))


def _shown(req: falcon.Request, error: Exception) -> IndexServerError:
    if isinstance(error, IndexServerError):
        return error
    if isinstance(error, falcon.HTTPNotFound):
        return NotFoundError()
    if isinstance(error, falcon.HTTPError) and error.status_code < 500:
        return BadRequestError()
    logger.error("unhandled exception", method=req.method, path=req.path, exc_info=error)
    return InternalError()
