"""What is known of a request while it is answered, and how its reply is written."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import falcon

from api.access.rate_limit import Decision
from api.http.client_address import UNKNOWN
from api.http.parameters import Parameters
from api.http.serialisation import JSON, ReplyStyle


@dataclass(slots=True)
class Exchange:
    """One request and its reply.

    Attributes:
        query: what the query string says.
        address: the client's.
        secure: whether it came encrypted.
        user_agent: what the client calls itself, empty where it does not.
        style: how to reply, as far as it is known.
        endpoint: the handler's name, for metrics.
        decision: what the rate limiter said.
        counted: whether the rate limiter was asked, if only to learn that there is no limit.
        unlimited: whether the cluster's own secret came with it, so that no limit holds.
        application_id: of the application whose key came with it, 0 without one.
        account_id: of the user whose key came with it, 0 without one.
        arrived: when it came, on the monotonic clock.
        deadline: when it must be answered, on the same clock; every wait on its way takes at most
            what is left until then.
    """

    query: Parameters = field(default_factory=Parameters)
    address: str = UNKNOWN
    secure: bool = False
    user_agent: str = ""
    style: ReplyStyle = JSON
    endpoint: str = "other"
    decision: Decision | None = None
    counted: bool = False
    unlimited: bool = False
    application_id: int = 0
    account_id: int = 0
    arrived: float = field(default_factory=time.monotonic)
    deadline: float = math.inf


def exchange_of(request: falcon.Request) -> Exchange:
    """Return what is known of a request; a request that never arrived has an empty one."""
    found: Exchange | None = getattr(request.context, "exchange", None)
    if found is None:
        found = request.context.exchange = Exchange()
    return found


def write_reply(
    response: falcon.Response, style: ReplyStyle, body: Mapping[str, Any], status: int = 200
) -> None:
    """Put a body into a response."""
    response.data = style.write(body)
    response.content_type = style.content_type
    response.status = status
