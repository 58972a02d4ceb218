"""What surrounds every request: a trace id, a tidy path, CORS, the limits' headers, metrics."""

import re
import time
from typing import Any, Final

import falcon

from api.http.client_address import client_address, is_secure
from api.http.endpoint import Endpoint
from api.http.errors import MethodNotAllowedError
from api.http.exchange import Exchange, exchange_of
from api.http.parameters import Parameters, parse_pairs
from api.http.serialisation import XML, known_style
from api.routes import V1_ROUTES
from api.services import Services
from http_server.wsgi import ARRIVED
from pipeline.runtime.trace import bind_trace_id, clear_trace_id

METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
"""The methods that are named to whoever asks; the less usual ones are answered too."""

PREFLIGHT_AGE: Final = "86400"
_SLASHES: Final = re.compile("/{2,}")


class Frame:
    """Falcon's middleware."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Learn what the request says before its body is read."""
        bind_trace_id()
        proxies = self._services.settings.api.trusted_proxies
        exchange = req.context.exchange = Exchange(
            address=client_address(req.env, proxies),
            secure=is_secure(req.env, proxies),
            user_agent=_as_sent(req.user_agent or ""),
            arrived=req.env.get(ARRIVED) or time.monotonic(),
        )
        req.path = _SLASHES.sub("/", req.path).rstrip("/") or "/"
        exchange.query = Parameters(parse_pairs(_as_sent(req.query_string)))
        # The endpoint complains of an unknown format; no other error gets lost.
        is_v1 = req.path in V1_ROUTES
        exchange.style = XML if is_v1 else known_style(exchange.query)
        if req.method == "OPTIONS" and req.get_header("Access-Control-Request-Method"):
            _answer_preflight(resp)

    def process_resource(
        self,
        req: falcon.Request,
        resp: falcon.Response,  # noqa: ARG002 - Falcon's signature
        resource: Any,  # noqa: ANN401 - Falcon's signature
        params: dict[str, Any],  # noqa: ARG002 - Falcon's signature
    ) -> None:
        """Note who answers, and until when.

        Raises:
            MethodNotAllowedError: HTTP has no such method.
            TooManyRequestsError: a limit is reached.
        """
        exchange = exchange_of(req)
        exchange.endpoint = resource.name
        if isinstance(resource, Endpoint):
            exchange.deadline = exchange.arrived + resource.timeout
        if not is_method(req.method):
            if isinstance(resource, Endpoint):
                resource.limit(exchange.query, exchange)
            raise MethodNotAllowedError(METHODS)

    def process_response(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        resource: object,  # noqa: ARG002 - Falcon's signature
        req_succeeded: bool,  # noqa: ARG002, FBT001 - Falcon's signature
    ) -> None:
        """Add what every reply carries, errors too, and measure it."""
        exchange = exchange_of(req)
        resp.append_header("Access-Control-Allow-Origin", "*")
        is_limited = req.path.startswith("/v2/") or req.path in V1_ROUTES
        if is_limited and not resp.complete:
            self._add_limits(exchange, resp)
        self._services.metrics.api_request(
            exchange.endpoint,
            req.method,
            resp.status_code,
            time.monotonic() - exchange.arrived,
        )
        clear_trace_id()

    def _add_limits(self, exchange: Exchange, resp: falcon.Response) -> None:
        if exchange.unlimited:
            return
        decision = exchange.decision
        if not exchange.counted:
            decision = self._services.limiter.look(exchange.address)
        if decision is not None:
            headers = decision.standing.headers()
            resp.set_headers(headers)
            resp.set_header("Access-Control-Expose-Headers", ", ".join(["Retry-After", *headers]))


def is_method(name: str) -> bool:
    """Tell whether HTTP has a method of this name."""
    return name in falcon.COMBINED_METHODS


def _as_sent(text: str) -> str:
    """Return a text as its sender wrote it; WSGI shows each byte as one character."""
    return text.encode("latin-1", "replace").decode("utf-8", "replace")


def _answer_preflight(resp: falcon.Response) -> None:
    resp.status = 204
    resp.set_header("Access-Control-Allow-Methods", METHODS)
    resp.set_header("Access-Control-Allow-Headers", "*")
    resp.set_header("Access-Control-Max-Age", PREFLIGHT_AGE)
    resp.complete = True
