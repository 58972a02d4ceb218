"""Access control of the endpoints: API keys, rate limits, the cluster's secret."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from api.access.keys import ApiKeys
from api.access.maintenance import MaintenanceMode
from api.access.rate_limit import RateLimiter
from api.http.endpoint import ApiRequest, Endpoint
from api.http.errors import InvalidBodyError, TooManyRequestsError
from api.http.parameters import Parameters
from pipeline.catalog.app.accounts import Application
from pipeline.settings.sections import ClusterSettings


@dataclass(frozen=True, slots=True)
class AccessControl:
    """Checks and counts the requests of one front-end process.

    Attributes:
        keys: returns the holders of API keys.
        limiter: counts requests.
        cluster: the cluster's secret and this server's role.
        maintenance: refuses requests that write to a database.
        timeout: maximum time in seconds for a request, unless the endpoint has its own.
    """

    keys: ApiKeys
    limiter: RateLimiter
    cluster: ClusterSettings
    maintenance: MaintenanceMode
    timeout: float

    def count(self, request: ApiRequest, application: Application | None) -> None:
        """Count a request, unless it has the cluster's secret.

        Raises:
            InvalidBodyError: the client's address cannot be read. The request is not counted, since
                the limits of other addresses are not affected.
            TooManyRequestsError: a limit is reached.
        """
        request.rate_limit_headers = {}
        if not request.has_address:
            raise InvalidBodyError(
                "the client's entry in X-Forwarded-For is not an IP address: the proxy must set it"
            )
        if self.has_cluster_secret(request.parameters):
            return
        decision = self.limiter.count(request.address, application)
        if decision is None:
            return
        request.rate_limit_headers = decision.state.headers()
        if not decision.passes:
            raise TooManyRequestsError(decision.state.tier.rate, decision.retry_after)

    def headers_without_counting(self, address: str) -> Mapping[str, str]:
        """Return the rate limit headers for a client address.

        There are none without a limit, or if Redis is unreachable.
        """
        decision = self.limiter.check_without_counting(address)
        return {} if decision is None else decision.state.headers()

    def has_cluster_secret(self, parameters: Parameters) -> bool:
        """Return whether the parameters contain the cluster's secret."""
        secret = self.cluster.secret
        given = parameters.get("secret")
        if secret is None or not secret.get_secret_value() or not given:
            return False
        return hmac.compare_digest(
            given.encode("utf-8", "replace"), secret.get_secret_value().encode()
        )


class CountedEndpoint(Endpoint):
    """A path that needs no key.

    Args:
        access: checks and counts the requests.
        timeout: maximum time in seconds for a request; None for `AccessControl.timeout`.
    """

    def __init__(self, access: AccessControl, timeout: float | None = None) -> None:
        super().__init__(access.timeout if timeout is None else timeout)
        self.access = access

    def count(self, request: ApiRequest, application: Application | None = None) -> None:
        """Count the request; see `AccessControl.count`."""
        self.access.count(request, application)


class KeyedEndpoint(CountedEndpoint):
    """A path that needs the key of an application."""

    def identify(self, request: ApiRequest) -> Application:
        """Return the application of the request, and set `application_id` of the request.

        Raises:
            ApiError: the key is missing or not valid.
        """
        application = self.access.keys.application(request.parameters, request.deadline)
        request.application_id = application.id
        return application
