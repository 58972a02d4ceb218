"""The request object of the web service, and the base class of all endpoints.

An endpoint reads the parameters, checks the keys, counts the request for the rate limits, and then
composes the reply.
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import falcon

from api.http.bodies import read_form
from api.http.client_address import UNKNOWN
from api.http.parameters import Parameters
from api.http.serialisation import JSON, ReplyStyle, known_style, reply_style
from pipeline.catalog.app.accounts import Application


@dataclass(slots=True)
class ApiRequest:
    """A request of the web service.

    The middleware creates it from the headers and the query string. The endpoint adds the
    parameters of the body and the holders of the keys.

    Attributes:
        parameters: the parameters of the query string, followed by those of the body.
        path_fields: the variable parts of the path, by name.
        address: the client's IP address.
        has_address: whether the client's address could be read. If not, `AccessControl.count`
            refuses the request, also one with the cluster's secret.
        secure: whether the client's connection is encrypted.
        user_agent: the header ``User-Agent``; empty if there is none.
        style: the format of the reply.
        endpoint: the name of the endpoint in metrics.
        rate_limit_headers: headers for the reply; None if the request has not been counted.
        application_id: the id of the application that has the key ``client``; 0 without a key.
        account_id: the id of the account that has the key ``user``; 0 without a key.
        arrived: time at which the request was complete, on the monotonic clock.
        deadline: time at which the reply is due, on the monotonic clock. It limits all waits.
    """

    parameters: Parameters = field(default_factory=Parameters)
    path_fields: Mapping[str, str] = field(default_factory=dict)
    address: str = UNKNOWN
    has_address: bool = True
    secure: bool = False
    user_agent: str = ""
    style: ReplyStyle = JSON
    endpoint: str = "other"
    rate_limit_headers: Mapping[str, str] | None = None
    application_id: int = 0
    account_id: int = 0
    arrived: float = field(default_factory=time.monotonic)
    deadline: float = math.inf


def request_of(req: falcon.Request) -> ApiRequest:
    """Return the request that the middleware has created; an empty one if it has created none."""
    found: ApiRequest | None = getattr(req.context, "api_request", None)
    if found is None:
        found = req.context.api_request = ApiRequest()
    return found


def write_reply(
    resp: falcon.Response, style: ReplyStyle, body: Mapping[str, Any], status: int = 200
) -> None:
    """Write a body into Falcon's response."""
    resp.data = style.write(body)
    resp.content_type = style.content_type
    resp.status = status


class Endpoint(ABC):
    """One path of the web service.

    All methods get the same reply, unless the path is `post_only`. GET takes the parameters from
    the query string; other methods also take them from the body. Each request is counted once,
    before `answer`. A request with an invalid body or an invalid key counts for its address and for
    the whole service, but not for an application.

    Args:
        timeout: maximum time in seconds for a request.
    """

    name: ClassVar[str]
    """The endpoint's name in metrics."""

    post_only: ClassVar[bool] = False
    """Whether only POST is accepted, so that a link to the path cannot change anything."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout

    @abstractmethod
    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Return the body of a successful reply, without its ``status``.

        Raises:
            ApiError: the error for the client.
        """

    @abstractmethod
    def count(self, request: ApiRequest, application: Application | None = None) -> None:
        """Count the request for the rate limits.

        Raises:
            InvalidBodyError: the client's address cannot be read.
            TooManyRequestsError: a limit is reached.
        """

    def prepare(self, request: ApiRequest) -> None:
        """Read the format of the reply, before any other parameter.

        Raises:
            ApiError: the format is unknown, or the client has no access to this path.
        """
        request.style = reply_style(request.parameters)

    def identify(self, request: ApiRequest) -> Application | None:  # noqa: ARG002 - overridden where a key is needed
        """Return the application of the request; None if the path needs no key.

        Raises:
            ApiError: a key is missing or not valid.
        """
        return None

    def on_request(self, req: falcon.Request, resp: falcon.Response, **path_fields: str) -> None:
        """Answer a request of any method."""
        request = request_of(req)
        request.path_fields = path_fields
        try:
            if req.method != "GET":
                request.parameters = request.parameters.followed_by(read_form(req.env))
                request.style = known_style(request.parameters)
            self.prepare(request)
            application = self.identify(request)
        except Exception:
            self.count(request)
            raise
        self.count(request, application)
        write_reply(resp, request.style, {"status": "ok", **self.answer(request)})

    on_options = on_request  # otherwise Falcon's default responder answers OPTIONS
