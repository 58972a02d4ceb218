"""The base of all endpoints: parameters in, a body out, whatever the method.

A request is read, its keys are checked, it is counted, and only then anything is done for it.
"""

import hmac
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import falcon

from api.http.bodies import read_form
from api.http.errors import TooManyRequestsError
from api.http.exchange import Exchange, exchange_of, write_reply
from api.http.parameters import Parameters
from api.http.serialisation import known_style, reply_style
from api.services import Services
from pipeline.catalog.app.accounts import Application


class Endpoint(ABC):
    """One path of the web service.

    Every method is answered alike: GET reads the query string alone, any other the body too.
    Every request is counted once, before `answer`. One that can't be read, or whose keys are not
    valid, counts for its address and for the whole service.
    """

    name: ClassVar[str]
    """What metrics call it."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @property
    def timeout(self) -> float:
        """Seconds that a request may take."""
        return self.services.settings.api.lookup_timeout

    @abstractmethod
    def answer(self, parameters: Parameters, exchange: Exchange, **fields: str) -> dict[str, Any]:
        """Return the body of a successful reply, without its ``status``.

        The request has been counted.

        Args:
            parameters: from the query string and the body.
            exchange: what else is known of the request.
            fields: the variable parts of the path.

        Raises:
            ApiError: what the client is told instead.
        """

    def on_request(self, req: falcon.Request, resp: falcon.Response, **fields: str) -> None:
        """Answer a request of any method."""
        exchange = exchange_of(req)
        parameters = exchange.query
        try:
            if req.method != "GET":
                parameters = parameters.followed_by(read_form(req.env))
                exchange.style = known_style(parameters)
            self.prepare(parameters, exchange)
            application = self.identify(parameters, exchange)
        except Exception:
            self.limit(parameters, exchange)
            raise
        self.limit(parameters, exchange, application)
        body = self.answer(parameters, exchange, **fields)
        write_reply(resp, exchange.style, {"status": "ok", **body})

    on_options = on_request  # Falcon would answer it by itself

    def prepare(self, parameters: Parameters, exchange: Exchange) -> None:
        """Do what comes before any other parameter: learn how to reply.

        Raises:
            ApiError: there is no such format, or the client may not ask here at all.
        """
        exchange.style = reply_style(parameters)

    def identify(
        self,
        parameters: Parameters,  # noqa: ARG002 - most endpoints need no key
        exchange: Exchange,  # noqa: ARG002 - see above
    ) -> Application | None:
        """Return the application that asks, None where no key is needed.

        Raises:
            ApiError: a key is missing or not valid.
        """
        return None

    def limit(
        self, parameters: Parameters, exchange: Exchange, application: Application | None = None
    ) -> None:
        """Count the request, unless the cluster itself sent it.

        Raises:
            TooManyRequestsError: a limit is reached.
        """
        if self.is_cluster(parameters):
            exchange.unlimited = True
            return
        exchange.counted = True
        decision = self.services.limiter.count(exchange.address, application)
        exchange.decision = decision
        if decision is not None and not decision.passes:
            raise TooManyRequestsError(decision.standing.tier.rate, decision.retry_after)

    def is_cluster(self, parameters: Parameters) -> bool:
        """Tell whether the cluster's secret came with a request."""
        secret = self.services.settings.cluster.secret
        given = parameters.get("secret")
        if secret is None or not secret.get_secret_value() or not given:
            return False
        return hmac.compare_digest(
            given.encode("utf-8", "replace"), secret.get_secret_value().encode()
        )


class KeyedEndpoint(Endpoint):
    """A path that needs the key of an application."""

    def identify(self, parameters: Parameters, exchange: Exchange) -> Application:
        """Return the application that asks, and note it.

        Raises:
            ApiError: its key is missing or not valid.
        """
        application = self.services.keys.application(parameters, exchange.deadline)
        exchange.application_id = application.id
        return application
