"""Falcon middleware: sets trace id, client address, CORS and rate limit headers, and metrics."""

import math
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import falcon

from api.http.client_address import UNKNOWN, client_address, is_secure
from api.http.endpoint import ApiRequest, Endpoint, request_of
from api.http.errors import MethodNotAllowedError
from api.http.parameters import Parameters, parse_pairs
from api.http.serialisation import XML, known_style
from http_server.paths import normal_path
from http_server.wsgi import ARRIVED
from pipeline.runtime.links.deadline import set_deadline
from pipeline.runtime.statsd_metrics import Metrics
from pipeline.runtime.trace import bind_trace_id, clear_trace_id

METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
"""Methods in the ``Allow`` headers. Rare HTTP methods such as TRACE also get a reply."""

PREFLIGHT_AGE: Final = "86400"
"""Seconds for which a browser may keep the reply to a CORS preflight request."""


class RequestMiddleware:
    """Creates the `ApiRequest` of each request, and completes each reply.

    Args:
        trusted_proxies: the number of proxies in front of this server; see
            `api.http.client_address`.
        xml_paths: the paths of version 1 of the protocol, which always replies in XML.
        rate_limit_headers: returns the rate limit headers for a client address, and does not count
            a request.
        metrics: counts the requests, and measures their time.
    """

    def __init__(
        self,
        *,
        trusted_proxies: int,
        xml_paths: Collection[str],
        rate_limit_headers: Callable[[str], Mapping[str, str]],
        metrics: Metrics,
    ) -> None:
        self._trusted_proxies = trusted_proxies
        self._xml_paths = frozenset(xml_paths)
        self._rate_limit_headers = rate_limit_headers
        self._metrics = metrics

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Read the headers and the query string; the endpoint reads the body."""
        bind_trace_id()
        address = client_address(req.env, self._trusted_proxies)
        request = req.context.api_request = ApiRequest(
            address=address or UNKNOWN,
            has_address=address is not None,
            rate_limit_headers=None if address else {},
            secure=is_secure(req.env, self._trusted_proxies),
            user_agent=_decoded(req.user_agent or ""),
            arrived=req.env.get(ARRIVED) or time.monotonic(),
        )
        req.path = normal_path(req.path)
        request.parameters = Parameters(parse_pairs(_decoded(req.query_string)))
        # If the format is unknown, the endpoint raises the error, which has the default format.
        request.style = XML if req.path in self._xml_paths else known_style(request.parameters)
        if req.method == "OPTIONS" and req.get_header("Access-Control-Request-Method"):
            _answer_preflight(resp)

    def process_resource(
        self,
        req: falcon.Request,
        resp: falcon.Response,  # noqa: ARG002 - Falcon's signature
        resource: Any,  # noqa: ANN401 - Falcon's signature
        params: dict[str, Any],  # noqa: ARG002 - Falcon's signature
    ) -> None:
        """Set the name of the endpoint and the deadline.

        Raises:
            MethodNotAllowedError: the method is not an HTTP method, or not POST where it must be.
            InvalidBodyError: the client's address cannot be read.
            TooManyRequestsError: a limit is reached.
        """
        request = request_of(req)
        request.endpoint = resource.name
        if isinstance(resource, Endpoint):
            request.deadline = request.arrived + resource.timeout
            set_deadline(request.deadline)
        if not is_method(req.method):
            if isinstance(resource, Endpoint):
                resource.count(request)
            raise MethodNotAllowedError(METHODS)
        if isinstance(resource, Endpoint) and resource.post_only and req.method != "POST":
            resource.count(request)
            raise MethodNotAllowedError("POST")

    def process_response(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        resource: object,  # noqa: ARG002 - Falcon's signature
        req_succeeded: bool,  # noqa: ARG002, FBT001 - Falcon's signature
    ) -> None:
        """Add the headers that all replies have, including errors, and measure the request."""
        request = request_of(req)
        resp.append_header("Access-Control-Allow-Origin", "*")
        is_limited = req.path.startswith("/v2/") or req.path in self._xml_paths
        if is_limited and not resp.complete:
            self._add_rate_limit_headers(request, resp)
        self._metrics.api_request(
            request.endpoint,
            req.method,
            resp.status_code,
            time.monotonic() - request.arrived,
        )
        clear_trace_id()
        set_deadline(math.inf)

    def _add_rate_limit_headers(self, request: ApiRequest, resp: falcon.Response) -> None:
        headers = request.rate_limit_headers
        if headers is None:
            headers = self._rate_limit_headers(request.address)
        if headers:
            resp.set_headers(headers)
            resp.set_header("Access-Control-Expose-Headers", ", ".join(["Retry-After", *headers]))


def is_method(name: str) -> bool:
    """Return whether HTTP has a method with this name."""
    return name in falcon.COMBINED_METHODS


def _decoded(text: str) -> str:
    """Decode a WSGI string, in which each character is a byte, as UTF-8."""
    return text.encode("latin-1", "replace").decode("utf-8", "replace")


def _answer_preflight(resp: falcon.Response) -> None:
    resp.status = 204
    resp.set_header("Access-Control-Allow-Methods", METHODS)
    resp.set_header("Access-Control-Allow-Headers", "*")
    resp.set_header("Access-Control-Max-Age", PREFLIGHT_AGE)
    resp.complete = True
